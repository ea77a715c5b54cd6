locals { n = 3 }
image "a" {} # ERROR: Image without content
image "b" {
  url = "https://example.org/x.img" # ERROR: Not supported by this version
}
image "c" {
  oci = "debian:12" # ERROR: Not supported by this version
  from = image.a # ERROR: Not supported by this version
  provision {} # ERROR: Not supported by this version
}
image "d" {
  debian {
    suite    = "Book Worm" # ERROR: Invalid suite
    packages = ["git", "lib c", "-x"] # ERROR: Invalid package name # ERROR: Invalid package name
    mirror   = "ftp://example.org" # ERROR: Invalid address
    sweet    = 1 # ERROR: Unknown argument
  }
  debian {} # ERROR: Duplicate block
}
image "e" {
  debian {
    packages = "git" # ERROR: Wrong type
    suite    = null # ERROR: Missing value
  }
}
image "a" { # ERROR: Duplicate image
  debian {}
}
image "f" {
  debian = {} # ERROR: Block written as argument
}
image "ok" {
  debian {}
}
project "p" {
  image = image.oke # ERROR: Unknown reference
  plan "x" {
    image = "ok" # ERROR: Not an image
    action "shell" { script = "true" }
  }
  plan "y" {
    image = limits.small # ERROR: Unknown reference
    action "shell" { script = "true" }
  }
  plan "z" {
    image = { name = "ok" } # ERROR: Not an image
    action "shell" { script = "true" }
  }
}
