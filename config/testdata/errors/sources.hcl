locals {
  x = source.lib # ERROR: Reference outside a project
}
project "p" {
  sources = {
    lib       = "git::https://example.org/lib.git" # ERROR: Source is not pinned
    archive   = "https://example.org/lib.tar.gz" # ERROR: Source is not pinned
    nowhere   = "./nowhere" # ERROR: Missing source directory
    empty     = "" # ERROR: Invalid source
    "a b"     = "." # ERROR: Invalid name
    list      = [] # ERROR: Wrong type
    none      = null # ERROR: Missing value
  }
  plan "x" {
    action "shell" { script = source.lib }
  }
}
project "q" {
  source  = source.lib # ERROR: Reference outside a project
  sources = { lib = ".", other = "." }
  plan "x" {
    action "shell" { script = source.lbi } # ERROR: Unknown reference
    action "shell" { script = source } # ERROR: Incomplete reference
    action "shell" { script = source.lib.x } # ERROR: Unsupported attribute
  }
}
project "r" {
  sources = ["."] # ERROR: Wrong type
  plan "x" {
    action "shell" { script = source.lbi }
  }
}
project "s" {
  plan "x" {
    action "shell" { script = source.lib } # ERROR: Unknown reference
  }
}
