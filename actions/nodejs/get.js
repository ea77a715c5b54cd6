// Runs in the guest, for npm_get, pnpm_get and yarn_get:
//
//   node get.js CONFIG prepare   copies what describes packages, and gets the package manager
//   node get.js CONFIG finish    makes what was fetched the same for every run
//
// CONFIG is a file with what nodeConfig of nodejs.go has. A fault of the project is
// written to the file "failed" of the scratch directory, and the exit status is 0: an
// exit status other than 0 is an outage, and tried again.
'use strict'
const fs = require('fs'), path = require('path'), crypto = require('crypto')
const { execFileSync } = require('child_process')

const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
const copy = path.join(config.scratch, 'src')

class Fault extends Error {}
const fault = (...lines) => { throw new Fault(lines.join('\n')) }

async function main () {
  try {
    await { prepare, finish }[process.argv[3]]()
  } catch (e) {
    if (!(e instanceof Fault)) throw e
    fs.writeFileSync(path.join(config.scratch, 'failed'), `${config.action}: ${e.message}\n`)
  }
}

async function prepare () {
  fs.rmSync(copy, { recursive: true, force: true })
  copyTree('')
  for (const dir of config.dirs) checkLock(dir)
  await getTool(wantedTool())
}

// ---- the files that describe packages

const lockFiles = {
  npm: ['npm-shrinkwrap.json', 'package-lock.json'], pnpm: ['pnpm-lock.yaml'], yarn: ['yarn.lock']
}[config.tool]
const plain = new Set(['package.json', 'pnpm-workspace.yaml', ...lockFiles])
const filtered = {
  // No key that names a program (git, yarn-path, plugins) or a credential.
  '.npmrc': t => lines(t, /^\s*(registry|@[^\s:=]+:registry|replace-registry-host|legacy-peer-deps|strict-peer-deps|install-strategy|legacy-bundling|global-style|engine-strict|force|omit|include|shared-workspace-lockfile|link-workspace-packages|auto-install-peers|dedupe-peer-dependents|exclude-links-from-lockfile|inject-workspace-packages)(\[\])?\s*=/),
  '.yarnrc': t => lines(t, /^\s*"?(registry|@[^\s:"]+:registry)"?\s/),
  '.yarnrc.yml': t => yamlKeys(t, new Set(['npmRegistryServer', 'npmScopes', 'compressionLevel', 'packageExtensions', 'supportedArchitectures', 'nodeLinker', 'catalog', 'catalogs', 'defaultProtocol']))
}

function copyTree (dir) {
  for (const e of fs.readdirSync(path.join(config.src, dir), { withFileTypes: true })) {
    const name = path.join(dir, e.name)
    if (e.isDirectory() && e.name !== 'node_modules' && e.name !== '.git') copyTree(name)
    if (!e.isFile()) continue
    const filter = filtered[e.name]
    if (!filter && !plain.has(e.name) && !/\.(tgz|tar|tar\.gz|patch)$/.test(e.name)) continue
    fs.mkdirSync(path.join(copy, dir), { recursive: true })
    if (filter) fs.writeFileSync(path.join(copy, name), filter(fs.readFileSync(path.join(config.src, name), 'utf8')))
    else fs.copyFileSync(path.join(config.src, name), path.join(copy, name))
  }
}

const lines = (text, keep) => text.split(/\r?\n/).filter(l => keep.test(l) && !/_auth|_password|:\/\/[^/]*@/i.test(l)).map(l => l + '\n').join('')

// The blocks of some top-level keys of a YAML mapping in block style.
function yamlKeys (text, keys) {
  let keep = false
  return text.split(/\r?\n/).filter(l => {
    const key = /^(['"]?)([A-Za-z]+)\1\s*:/.exec(l)
    if (key) keep = keys.has(key[2])
    else if (/^[^\s#}\]-]/.test(l)) keep = false
    return keep && !/npmAuth/i.test(l)
  }).map(l => l + '\n').join('')
}

const read = (...name) => { try { return fs.readFileSync(path.join(...name), 'utf8') } catch { return '' } }

function json (name) {
  const text = read(copy, name)
  if (!text) return {}
  try { const v = JSON.parse(text.replace(/^\uFEFF/, '')); return v && typeof v === 'object' ? v : {} } catch (e) { fault(`${name} is not JSON: ${e.message}`) }
}

const lockOf = dir => lockFiles.map(f => path.join(dir, f)).find(f => fs.existsSync(path.join(copy, f)))

function checkLock (dir) {
  const where = dir === '.' ? 'the top of the source tree' : `the directory ${dir} of the source tree`
  if (!fs.existsSync(path.join(copy, dir, 'package.json'))) fault(`there is no package.json in ${where}`)
  const lock = lockOf(dir)
  if (!lock) fault(`there is no ${lockFiles.join(' and no ')} in ${where}: make one (${config.tool} install) and check it in`)
  const text = read(copy, lock)
  if (text.length > 256 << 20) fault(`${lock} is too large`)
  const { git, unchecked } = config.tool === 'npm' ? npmLock(json(lock)) : textLock(text)
  if (git.length) fault(`${lock} has packages from git, which no checksum covers: ${list(git)}`, 'Fetch them with git_get and depend on them as "file:", or depend on a published version.')
  if (unchecked.length) fault(`${lock} has packages without a checksum: ${list(unchecked)}`, 'Make the lock file anew with a current version of the package manager.')
}

const list = names => [...new Set(names)].slice(0, 20).map(n => JSON.stringify(n)).join(', ') + (names.length > 20 ? ', …' : '')
const isGit = s => /^(git\+|git:|github:|gitlab:|bitbucket:|git@|ssh:)/.test(s)

// package-lock.json(5): "packages" since version 2, nested "dependencies" in version 1.
function npmLock (lock) {
  const git = [], unchecked = []
  const look = (name, p, spec) => {
    if (!p || typeof p !== 'object' || p.link || p.inBundle || p.bundled) return
    const resolved = String(spec || '')
    if (isGit(resolved)) git.push(name)
    else if (!p.integrity && !/^file:/.test(resolved)) unchecked.push(name)
  }
  if (lock.packages && typeof lock.packages === 'object') {
    for (const [name, p] of Object.entries(lock.packages)) if (/(^|\/)node_modules\//.test(name)) look(name, p, p && p.resolved)
    return { git, unchecked }
  }
  const walk = (deps, depth) => {
    if (!deps || typeof deps !== 'object') return
    if (depth > 1000) fault('the lock file is nested too deeply')
    for (const [name, p] of Object.entries(deps)) {
      if (!p || typeof p !== 'object') continue
      look(name, p, isGit(String(p.version)) ? p.version : p.resolved || p.version)
      walk(p.dependencies, depth + 1)
    }
  }
  walk(lock.dependencies, 0)
  return { git, unchecked }
}

// pnpm-lock.yaml and both kinds of yarn.lock, which their programs write in one way.
function textLock (text) {
  const git = [], unchecked = []
  let entry = ''
  for (const l of text.split('\n')) {
    const head = /^( {2})?(['"]?)([^\s'"#][^'"]*)\2.*:\s*$/.exec(l)
    if (head) entry = head[3]
    if (/^\s+resolved "?(git|ssh)\b|^\s+resolution: .*(\btype: git\b|#commit=|\bgitHosted: true\b)|^\s+type: git\b/.test(l)) git.push(entry)
    else if (/^\s+resolved "?https?:[^#"]*"?\s*$/.test(l) || /^\s+resolved "?https?:.*\/tar\.gz\//.test(l)) unchecked.push(entry)
    else if (/^\s+integrity "?sha\d+-/.test(l) && unchecked[unchecked.length - 1] === entry) unchecked.pop()
    else if (/^\s+resolution: \{.*tarball: https?:/.test(l) && !/integrity: sha/.test(l)) unchecked.push(entry)
  }
  return { git, unchecked }
}

// ---- the package manager

// What the project wants, else what the image has, else what this action knows.
function wantedTool () {
  const dir = config.dirs[0]
  if (config.version) return { version: config.version, hash: (defaults().find(d => d.version === config.version) || {}).integrity }
  for (const name of [path.join(dir, 'package.json'), 'package.json']) {
    const text = json(name).packageManager
    if (typeof text !== 'string') continue
    const m = /^([a-z]+)@(\d+\.\d+\.\d+[0-9A-Za-z.-]*)(?:\+(sha\d+)\.([0-9a-f]+))?$/.exec(text)
    if (!m) fault(`${name}: "packageManager" is not of the form NAME@VERSION: ${JSON.stringify(text)}`)
    if (m[1] === config.tool) return { version: m[2], hash: m[3] ? `${m[3]}-${Buffer.from(m[4], 'hex').toString('base64')}` : '' }
  }
  return {}
}

const berry = () => /^__metadata:/m.test(read(copy, lockOf(config.dirs[0])))
const defaults = () => config.defaults[config.tool]

// The version of the image's own package manager; '' when it has none.
function installed () {
  for (const dir of process.env.PATH.split(':')) {
    if (path.resolve(dir) === path.join(config.deps, 'bin')) continue // the wrapper of an action before this one
    for (const name of config.tool === 'yarn' ? ['yarn', 'yarnpkg'] : [config.tool]) {
      let file
      try { file = fs.realpathSync(path.join(dir, name)) } catch { continue }
      for (let d = path.dirname(file); d !== '/'; d = path.dirname(d)) {
        const p = read(d, 'package.json')
        if (p) return { command: path.join(dir, name), version: String(JSON.parse(p).version) }
      }
      return { command: path.join(dir, name), version: '?' }
    }
  }
  return null
}

async function getTool (want) {
  const own = installed()
  const major = v => Number(String(v).split('.')[0])
  const fits = own && (want.version ? own.version === want.version : config.tool !== 'yarn' || berry() === major(own.version) > 1)
  if (fits) return wrap(`"${own.command}"`, own.version)
  if (!want.version) {
    const lock = read(copy, lockOf(config.dirs[0]))
    const d = defaults().find(d => new RegExp(d.lock, 'm').test(lock))
    want = { version: d.version, hash: d.integrity }
  }
  const name = config.tool === 'yarn' && major(want.version) > 1 ? '@yarnpkg/cli-dist' : config.tool
  const dir = path.join(config.deps, `${config.tool}-${want.version}`)
  console.log(`fetching ${name} ${want.version}`)
  const registry = registryAddress()
  let hash = want.hash, tarball = `${registry}/${name}/-/${path.basename(name)}-${want.version}.tgz`
  if (!hash) {
    const meta = await get(`${registry}/${name.replace('/', '%2f')}/${want.version}`, `${name} ${want.version}`)
    try { ({ integrity: hash, tarball } = JSON.parse(meta).dist) } catch { fault(`the registry's answer about ${name} ${want.version} can not be read`) }
    if (!hash) fault(`the registry has no checksum of ${name} ${want.version}`)
  }
  unpack(await get(tarball, `${name} ${want.version}`), dir, name, want.version, hash)
  const pkg = name.startsWith('@') ? {} : JSON.parse(read(dir, 'package.json'))
  const bin = name.startsWith('@') ? yarnProgram : typeof pkg.bin === 'string' ? pkg.bin : pkg.bin[config.tool]
  wrap(`node "${path.join(dir, bin)}"`, want.version)
}

function registryAddress () {
  if (config.registry) return config.registry.replace(/\/+$/, '')
  for (const dir of config.dirs) { // as the lock file's own addresses have it
    const m = /https?:\/\/[^\s"'@?#]+?(?=\/(?:@[^\s"'/]+\/)?[^\s"'/@]+\/-\/[^\s"'/]+\.tgz)/.exec(read(copy, lockOf(dir)))
    if (m) return m[0]
  }
  fault('no npm registry is known: set one on the machine that runs ambient (npm config set registry ADDRESS), or with the argument registry')
}

// Subresource Integrity: any of the strongest hashes that are given must match.
function matches (hash, data) {
  const all = hash.trim().split(/\s+/).map(h => /^(sha512|sha384|sha256|sha224|sha1)-([A-Za-z0-9+/]+=*)/.exec(h)).filter(Boolean)
  const best = ['sha512', 'sha384', 'sha256', 'sha224'].find(a => all.some(h => h[1] === a))
  return all.some(h => h[1] === best && crypto.createHash(best).update(data).digest('base64') === h[2])
}

// Where the archive of Yarn 2 and later has the program.
const yarnProgram = 'bin/yarn.js'

function unpack (data, dir, name, version, hash) {
  const tmp = dir + '.part'
  fs.rmSync(tmp, { recursive: true, force: true })
  fs.mkdirSync(tmp, { recursive: true })
  const ok = matches(hash, data)
  // The checksum of a "packageManager" may be that of Yarn's program itself.
  if (!ok && !name.startsWith('@')) fault(`${name} ${version} has another checksum than ${hash}`)
  const file = path.join(config.scratch, 'tool.tgz')
  fs.writeFileSync(file, data)
  execFileSync('tar', ['-xzf', file, '-C', tmp, '--strip-components=1', '--no-same-owner', '--exclude=*/docs', '--exclude=*/man'])
  if (!ok) { // then nothing else of the archive is to be trusted
    const program = path.join(tmp, yarnProgram)
    const isFile = fs.lstatSync(path.dirname(program)).isDirectory() && fs.lstatSync(program).isFile()
    const content = isFile && fs.readFileSync(program)
    if (!content || !matches(hash, content)) fault(`${name} ${version} has another checksum than ${hash}`)
    fs.rmSync(tmp, { recursive: true })
    fs.mkdirSync(path.dirname(program), { recursive: true })
    fs.writeFileSync(program, content)
  }
  fs.rmSync(dir, { recursive: true, force: true })
  fs.renameSync(tmp, dir)
}

function get (address, what, hops = 0) {
  if (!/^https?:\/\//.test(address) || hops > 5) fault(`can not fetch ${what}: ${address}`)
  return new Promise((resolve, reject) => {
    const req = require(/^https:/.test(address) ? 'https' : 'http').get(address, { timeout: 30000 }, res => {
      const s = res.statusCode
      if (s >= 300 && s < 400 && res.headers.location) {
        res.resume()
        return resolve(get(new URL(res.headers.location, address).href, what, hops + 1))
      }
      if (s !== 200) {
        res.resume()
        const e = `${what}: ${address}: status ${s}`
        return reject(s >= 400 && s < 500 && s !== 408 && s !== 429 ? new Fault(e) : new Error(e))
      }
      const parts = []
      let size = 0
      res.on('data', d => { parts.push(d); if ((size += d.length) > 128 << 20) res.destroy(new Error(what + ' is too large')) })
      res.on('end', () => resolve(Buffer.concat(parts))).on('error', reject)
      res.on('aborted', () => reject(new Error(what + ': the connection broke')))
    })
    req.on('timeout', () => req.destroy(new Error(what + ': no answer'))).on('error', reject)
  })
}

// The command that later stages find. In a plan stage the stores are read-only, and the
// package managers want to write to theirs: so each gets a copy at its first use.
function wrap (command, version) {
  const bin = path.join(config.deps, 'bin')
  fs.mkdirSync(bin, { recursive: true })
  const store = { npm: `${config.deps}/npm-cache`, pnpm: `${config.deps}/pnpm-store`, yarn: '' }[config.tool]
  const vars = { npm: ['npm_config_cache'], pnpm: ['npm_config_store_dir', 'pnpm_config_store_dir'], yarn: [] }[config.tool]
  let text = `#!/bin/sh\n# ${config.tool} ${version}\n`
  if (store) {
    text += `if [ -z "\${${vars[0]}-}" ]; then
	store=\${TMPDIR:-/tmp}/ambient-${config.tool}
	if [ ! -e "$store" ]; then
		if [ -e ${store} ]; then cp -r ${store} "$store.$$"; else mkdir "$store.$$"; fi
		chmod -R u+w "$store.$$"
		mv -T "$store.$$" "$store" 2>/dev/null || rm -rf "$store.$$"
	fi
	${vars.map(v => `export ${v}="$store"`).join('; ')}
fi
`
  }
  if (config.tool === 'yarn') text += yarnVars(version)
  fs.writeFileSync(path.join(bin, config.tool), text + `exec ${command} "$@"\n`, { mode: 0o755 })
  if (config.tool === 'npm') fs.writeFileSync(path.join(bin, 'npx'), '#!/bin/sh\nexec "${0%/*}/npm" exec "$@"\n', { mode: 0o755 })
}

// Yarn 1 reads its offline mirror without writing to it. Later ones have a cache of
// archives, which they read too; what the project says of the cache does not count.
function yarnVars (version) {
  if (version.startsWith('1.')) {
    fs.mkdirSync(path.join(config.deps, 'yarn-mirror'), { recursive: true })
    return `export YARN_YARN_OFFLINE_MIRROR="\${YARN_YARN_OFFLINE_MIRROR-${config.deps}/yarn-mirror}"\n`
  }
  return `if [ -z "\${YARN_CACHE_FOLDER-}" ]; then
	export YARN_CACHE_FOLDER=${config.deps}/yarn-cache YARN_ENABLE_GLOBAL_CACHE=0 YARN_ENABLE_MIRROR=0
	export YARN_ENABLE_TELEMETRY=0 YARN_ENABLE_NETWORK="\${AMBIENT_YARN_FETCH-0}"
fi
`
}

// ---- afterwards

async function finish () {
  const npm = path.join(config.deps, 'npm-cache'), pnpm = path.join(config.deps, 'pnpm-store')
  const drop = (...p) => fs.rmSync(path.join(...p), { recursive: true, force: true })
  if (config.tool === 'npm' && fs.existsSync(npm)) {
    for (const e of fs.readdirSync(npm)) if (e !== '_cacache') drop(npm, e)
    for (const e of ['tmp', '_lastverified']) drop(npm, '_cacache', e)
    files(path.join(npm, '_cacache', 'index-v5'), tidyIndex)
    if (config.tarballs) for (const dir of config.dirs) archives(json(lockOf(dir)), path.join(npm, '_cacache', 'content-v2'))
  }
  if (config.tool === 'pnpm' && fs.existsSync(pnpm)) {
    for (const v of fs.readdirSync(pnpm)) for (const e of ['tmp', 'projects', 'server']) drop(pnpm, v, e)
    files(pnpm, f => {
      if (!f.endsWith('.json')) return
      const text = read(f)
      fs.writeFileSync(f, text.replace(/"checkedAt":\d+/g, '"checkedAt":0'))
    })
  }
}

// Copies the archives of the packages in a lock file from npm's cache, which keeps them
// by their checksums. Packages for other systems are not there.
function archives (lock, store) {
  fs.mkdirSync(config.tarballs, { recursive: true })
  const take = (name, p) => {
    const m = /^(sha\d+)-([A-Za-z0-9+/]+=*)/.exec(String(p.integrity))
    if (!m) return
    const hex = Buffer.from(m[2], 'base64').toString('hex')
    const from = path.join(store, m[1], hex.slice(0, 2), hex.slice(2, 4), hex.slice(4))
    const to = `${name}-${p.version}.tgz`.replace(/[^A-Za-z0-9@._+-]/g, '-')
    if (fs.existsSync(from)) fs.copyFileSync(from, path.join(config.tarballs, to))
  }
  const walk = deps => {
    for (const [name, p] of Object.entries(deps || {})) {
      take(name, p)
      walk(p.dependencies)
    }
  }
  if (!lock.packages) return walk(lock.dependencies)
  for (const [place, p] of Object.entries(lock.packages)) take(p.name || place.replace(/^.*node_modules\//, ''), p)
}

function files (dir, f) {
  if (!fs.existsSync(dir)) return
  for (const e of fs.readdirSync(dir, { withFileTypes: true })) {
    const name = path.join(dir, e.name)
    if (e.isDirectory()) files(name, f)
    else if (e.isFile()) f(name)
  }
}

// A bucket of cacache's index: lines of a SHA-1, a tab and an entry.
function tidyIndex (file) {
  const last = new Map()
  for (const l of read(file).split('\n')) {
    const [hash, text] = l.split('\t')
    if (!text || crypto.createHash('sha1').update(text).digest('hex') !== hash) continue
    const e = JSON.parse(text)
    last.set(e.key, e)
  }
  let out = ''
  for (const key of [...last.keys()].sort()) {
    const e = last.get(key)
    if (e.integrity === null || key.startsWith('pacote:tarball:file:')) continue
    e.time = 1
    if (e.metadata) {
      e.metadata.time = 1
      const type = (e.metadata.resHeaders || {})['content-type']
      e.metadata.resHeaders = type ? { 'content-type': type } : {}
    }
    const text = JSON.stringify(e)
    out += `\n${crypto.createHash('sha1').update(text).digest('hex')}\t${text}`
  }
  if (out) fs.writeFileSync(file, out)
  else fs.unlinkSync(file)
}

main().catch(e => { console.error(`${config.action}: ${e.message}`); process.exit(1) })
