ambient {
  required_version = ">= 99" # ERROR: Wrong version of ambient
}
something "new" {}
project "p" {
