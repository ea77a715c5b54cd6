ambient {
  required_version = "new enough" # ERROR: Invalid version constraint
  requird_version  = "1" # ERROR: Unknown argument
}
ambient {} # ERROR: Duplicate block
