const assert = require('assert')
const odd = require('./odd')

assert.deepStrictEqual(odd(['one', 'three', 'four']), ['one', 'three'])
console.log('ok')
