package actions

import (
	"encoding/json"
	"path"
	"regexp"
	"strings"

	"github.com/ambient-ci/ambient/config"
)

// reach returns the registries of the host and of the project's configuration,
// and the hosts that the lock files name.
func (f nodeFetcher) reach(args config.Args, host Host, tree Tree) ([]config.Allow, error) {
	r := reach{by: f.action}
	settings := host.Npm()
	if given := args.String("registry"); given != "" {
		settings.Registry = given
	}
	r.address(settings.Registry)
	for _, address := range sortedValues(settings.Scopes) {
		r.address(address)
	}
	for _, dir := range nodePaths(args.Strings("dirs")) {
		for _, name := range f.locks {
			for _, address := range lockAddresses(name, readTree(tree, path.Join(dir, name))) {
				r.foreign(address)
			}
		}
		for _, name := range []string{".npmrc", ".yarnrc", ".yarnrc.yml"} {
			for _, m := range nodeRCRegistry.FindAllStringSubmatch(readTree(tree, path.Join(dir, name)), maxForeign) {
				r.foreign(m[1])
			}
		}
	}
	return r.all, nil
}

// nodeRCRegistry finds registries in the configuration of a project: npmrc(5),
// and those of both kinds of Yarn.
var nodeRCRegistry = regexp.MustCompile(`(?m)^\s*(?:"?(?:@[^\s:="]+:)?registry"?\s*[= ]|npmRegistryServer:)\s*["']?(https?://[^\s"'#]+)`)

// lockAddress finds where pnpm-lock.yaml and yarn.lock say that a package comes
// from.
var lockAddress = regexp.MustCompile(`(?m)(?:^\s+resolved "?|\btarball: ["']?|^\s+resolution: "[^"\n]*@)(https?://[^\s"',#}]+)`)

// maxAddresses bounds how many addresses of one lock file are looked at.
const maxAddresses = 100_000

// lockAddresses returns the addresses of packages in a lock file, which is
// hostile. It understands what it can: a lock file that is no good fails the
// action in the guest.
func lockAddresses(name, text string) []string {
	if strings.HasSuffix(name, ".json") {
		return npmLockAddresses(text)
	}
	var all []string
	for _, m := range lockAddress.FindAllStringSubmatch(text, maxAddresses) {
		all = append(all, m[1])
	}
	return all
}

// npmLockAddresses reads package-lock.json(5): the addresses are strings under
// "resolved" and, in version 1, under "version", at any depth. It reads tokens,
// so that depth costs no stack.
func npmLockAddresses(text string) []string {
	var all []string
	d := json.NewDecoder(strings.NewReader(text))
	wanted, key := false, true // whether the next string is an address; whether it is a key
	var objects []bool
	for len(all) < maxAddresses {
		t, err := d.Token()
		if err != nil {
			return all
		}
		in := len(objects) > 0 && objects[len(objects)-1]
		switch v := t.(type) {
		case json.Delim:
			switch v {
			case '{', '[':
				objects = append(objects, v == '{')
			default:
				objects = objects[:len(objects)-1]
			}
			key, wanted = true, false
			continue
		case string:
			if in && key {
				wanted, key = v == "resolved" || v == "version", false
				continue
			}
			if wanted && isWeb(v) {
				all = append(all, v)
			}
		}
		key, wanted = true, false
	}
	return all
}

func sortedValues(m map[string]string) []string {
	var all []string
	for _, k := range sortedKeys(m) {
		all = append(all, m[k])
	}
	return all
}

// depends says that packages depend on the files that describe them.
func (f nodeFetcher) depends(config.Args) (Depends, string) {
	files := []string{"**/package.json", "**/.npmrc", "**/.yarnrc", "**/.yarnrc.yml", "**/pnpm-workspace.yaml", "**/*.tgz", "**/*.tar", "**/*.tar.gz", "**/*.patch"}
	for _, l := range f.locks {
		files = append(files, "**/"+l)
	}
	return Depends{Files: files}, ""
}
