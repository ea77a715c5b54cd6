ambient {
  required_version = var.x # ERROR: Invalid version constraint
}
