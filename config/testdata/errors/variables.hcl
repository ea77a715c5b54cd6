variable "a" {} # ERROR: Variable without value
variable "b" {
  type    = strng # ERROR: Invalid type specification
  default = "x"
}
variable "c" {
  type    = number
  default = "many" # ERROR: Wrong type
}
variable "d" {
  default = local.x # ERROR: Reference not allowed here
}
variable "e" {
  default = "bad"
  validation {
    condition     = contains(["good", "better"], var.e) # ERROR: Invalid value for a variable
    error_message = "e must be good or better."
  }
}
variable "f" {
  default = 1
  validation { # ERROR: Missing argument
    condition = true
  }
  validation {
    condition     = "maybe" # ERROR: Wrong type
    error_message = "never shown"
  }
  sensitive = "perhaps" # ERROR: Wrong type
}
variable "a" { # ERROR: Duplicate variable
  default = 1
}
variable "g" {
  defalt = 1 # ERROR: Unknown argument
  default = nope() # ERROR: Call to unknown function
}
locals {
  x = 1
  y = var.cc # ERROR: Unknown reference
  z = var # ERROR: Incomplete reference
  w = var.x # ERROR: Unknown reference
}
project "p" {
  plan "x" {
    action "shell" { script = var.c }
  }
}
