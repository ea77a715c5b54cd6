# GNU hello, as Debian released it: fetched in one machine, built and tested in
# a second one without a network, looked at in a third.

image "c" {
  debian {
    suite    = "bookworm"
    packages = ["gcc", "libc6-dev", "make"]
  }
}

limits "build" {
  memory  = "1GiB"
  timeout = "25m"
}

locals {
  tarball = "hello_2.10.orig.tar.gz"
  sha256  = "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b"
}

project "gnu-hello" {
  image  = image.c
  limits = limits.build

  pre "source" {
    action "deb_get" {
      sources = ["hello"]
    }
  }

  plan "build" {
    action "shell" {
      script = <<-EOT
        echo "${local.sha256}  $AMBIENT_DEPS/debian/source/${local.tarball}" | sha256sum -c
        mkdir build
        tar -xf "$AMBIENT_DEPS/debian/source/${local.tarball}" -C build --strip-components=1
      EOT
    }
    action "shell" {
      dir    = "build"
      script = <<-EOT
        CONFIG_SHELL=/bin/sh /bin/sh ./configure --quiet --prefix=/usr --disable-nls --disable-dependency-tracking \
            --cache-file="$AMBIENT_CACHE/config.cache"
      EOT
    }
    action "make" { dir = "build" }
    action "make" {
      dir     = "build"
      targets = ["check"]
    }
    action "make" {
      dir       = "build"
      targets   = ["install"]
      variables = { DESTDIR = "/ci/artifacts" }
    }
  }

  post "check" {
    action "shell" {
      script = <<-EOT
        cd "$AMBIENT_ARTIFACTS"
        find . -type f
        head -c 4 usr/bin/hello | grep -q ELF
        sha256sum usr/bin/hello | tee "$AMBIENT_RECEIPTS/SHA256SUMS"
      EOT
    }
  }
}
