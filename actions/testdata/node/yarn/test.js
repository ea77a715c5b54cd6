const odd = require("is-odd"); if (!odd(3) || odd(4)) process.exit(1); console.log("odd works")
