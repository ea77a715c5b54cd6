const fs = require('fs')
const odd = require('./odd')

fs.writeFileSync(process.env.AMBIENT_ARTIFACTS + '/report.txt', odd(process.argv.slice(2)).join('\n') + '\n')
