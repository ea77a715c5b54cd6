module.exports = "local"
