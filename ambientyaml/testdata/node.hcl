# Made by "ambient import" from "node.yaml".

# The packages are guessed from the plans. Add what is missing.
image "sample" {
  debian {
    packages = ["ca-certificates", "git", "nodejs", "npm"]
  }
}

project "sample" {
  image = image.sample
  git   = true

  pre "deps" {
    action "npm_get" {
      tarballs = true
    }

    action "http_get" {
      file {
        url  = "https://example.org/words.txt"
        path = "words/list.txt"
      }
      file {
        url = "https://example.org/tool-1.0.tar.gz"
      }
    }
  }

  plan "ci" {
    action "shell" {
      script = <<-EOT
        find /ci/deps/npm/ -name "*.tgz" -type f -exec npm cache add {} \;
        npm install --offline
      EOT
      env = {
        COUNT = "3"
        LANG  = "C.UTF-8"
      }
    }

    action "mkdir" {
      pathname = "/ci/artifacts/it's here"
      env = {
        COUNT = "3"
        LANG  = "C.UTF-8"
      }
    }

    action "shell" {
      script = <<-EOT
        npm pack "$(git describe --long)" && cp ./*.tgz /ci/artifacts/
      EOT
      env = {
        COUNT = "3"
        EXTRA = "$${LANG}"
        LANG  = "C.UTF-8"
      }
    }

    action "pwd" {
      env = {
        COUNT = "3"
        EXTRA = "$${LANG}"
        LANG  = "C.UTF-8"
      }
    }

    action "dummy" {
      env = {
        COUNT = "3"
        EXTRA = "$${LANG}"
        LANG  = "C.UTF-8"
      }
    }

    action "custom" {
      name = "check-style"
      args = {
        depth = {
          max   = 3
          none  = null
          ratio = 0.5
        }
        paths  = ["src", "a $${b}"]
        strict = true
      }
      env = {
        COUNT = "3"
        EXTRA = "$${LANG}"
        LANG  = "C.UTF-8"
      }
    }
  }
}
