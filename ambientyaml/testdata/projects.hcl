# Made by "ambient import" from "projects.yaml".
# Not carried over: 6. Look for the comments with a line number, which is that of the YAML.

# Line 33: the project nothing has no action that could be carried over.
# Line 36: "rsync2": where to deliver to is in the settings of the Rust program and not in this file. Declare the key, name it in the post stage, and say where to. Without that, get the files with "ambient artifacts".
# secret "ssh" "deliver" {
#   private_key = "~/.ssh/id_ed25519"
#   hosts       = ["HOST"]
# }
# secrets = [secret.ssh.deliver]
# action "rsync" { target = "HOST:DIRECTORY" }
#   action: rsync2

# Line 5: what is in the image is not known. A Debian image stands in for it: add the packages that are missing.
#   image: ~/images/debian.qcow2
# The packages are guessed from the plans. Add what is missing.
image "hello-world" {
  debian {
    packages = ["build-essential", "debhelper", "dpkg-dev", "make", "xz-utils"]
  }
}

# The first one.
# Its name was "hello world".
project "hello-world" {
  source = "/home/user/src/hello"
  image  = image.hello-world
  limits {
    artifacts = "2GiB"
    cache     = "20GiB"
  }

  pre "deps" {
    # Line 13: the archive's signature is verified with the keys that are in the image.
    #   cert: /etc/archive.asc
    action "deb_get" {
      packages = ["libpng-dev", "zlib1g-dev"]
      suite    = "bookworm"
    }
  }

  plan "ci" {
    action "shell" {
      script = <<-EOT
        make
        make install DESTDIR=/workspace/artifacts
      EOT
    }

    # Building a package needs the Build-Depends of debian/control: add them to the packages of the image.
    action "deb" {
      packages = "debs"
      source   = true
    }
  }

  # Line 22: "rsync": where to deliver to is in the settings of the Rust program and not in this file. Declare the key, name it in the post stage, and say where to. Without that, get the files with "ambient artifacts".
  # secret "ssh" "deliver" {
  #   private_key = "~/.ssh/id_ed25519"
  #   hosts       = ["HOST"]
  # }
  # secrets = [secret.ssh.deliver]
  # action "rsync" { target = "HOST:DIRECTORY" }
  #   action: rsync
  #   artifacts: .
  # Line 24: "dput": where to deliver to is in the settings of the Rust program and not in this file. Declare the key, name it in the post stage, and say where to. Without that, get the files with "ambient artifacts".
  # secret "ssh" "deliver" {
  #   private_key = "~/.ssh/id_ed25519"
  #   hosts       = ["HOST"]
  # }
  # secrets = [secret.ssh.deliver]
  # action "dput" {
  #   host     = "HOST"
  #   incoming = "DIRECTORY"
  # }
  #   action: dput
}

# The packages are guessed from the plans. Add what is missing.
image "hello-world-2" {
  debian {
    packages = ["make"]
  }
}

# Its name was "hello-world".
project "hello-world-2" {
  source = "./lib"
  image  = image.hello-world-2

  plan "ci" {
    action "shell" {
      script = <<-EOT
        make
        make install DESTDIR=/workspace/artifacts
      EOT
    }
  }

  post "deliver" {
    # What a script reaches is not known beforehand: with mode = "audit" the run ends with the list of hosts to allow.
    network { mode = "open" }

    action "shell" {
      script = "echo done"
    }
  }
}
