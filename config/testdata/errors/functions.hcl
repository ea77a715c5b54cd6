locals {
  a = nope(1) # ERROR: Call to unknown function
  b = uper("x") # ERROR: Call to unknown function
  c = upper() # ERROR: Not enough function arguments
  d = upper("a", "b") # ERROR: Too many function arguments
  e = upper([]) # ERROR: Invalid function argument
  f = file("../secret") # ERROR: Invalid function argument
  g = file("/etc/passwd") # ERROR: Invalid function argument
  h = file("missing.txt") # ERROR: Invalid function argument
  i = format("%9999d", 1) # ERROR: Error in function call
  j = jsondecode("{") # ERROR: Error in function call
  k = sum(["x"]) # ERROR: Error in function call
  l = one([1, 2]) # ERROR: Error in function call
  m = parseint("zz", 10) # ERROR: Invalid function argument
  n = length(1) # ERROR: Error in function call
  o = base64decode("%") # ERROR: Invalid function argument
  p = yamldecode("a: [") # ERROR: Error in function call
  q = timestamp() # ERROR: Call to unknown function
  r = templatefile("missing.tpl", {}) # ERROR: Error in function call
  s = setproduct(range(1000), range(1000)) # ERROR: Error in function call
  t = indent(100000, "a") # ERROR: Error in function call
  u = jsondecode(join("", [for i in range(1000): "["])) # ERROR: Error in function call
  v = pow(10, 1000000) # ERROR: Error in function call
}
project "p" {
  plan "x" {
    action "shell" { script = "true" }
  }
}
