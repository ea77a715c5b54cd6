// The words that have an odd number of letters.
const isOdd = require('is-odd')

module.exports = words => words.filter(word => isOdd(word.length))
