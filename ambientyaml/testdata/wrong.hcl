# Made by "ambient import" from "wrong.yaml".
# Not carried over: 19. Look for the comments with a line number, which is that of the YAML.

# The packages are guessed from the plans. Add what is missing.
image "sample" {
  debian {
    packages = ["make"]
  }
}

project "sample" {
  image = image.sample
  # Line 36: this can not be the source of a project.
  #   source: other::place
  # Line 35: this is not a size, or more than is possible.
  #   artifacts_max_size: a lot
  # Line 33: there is no field "postplan". Did you mean "post_plan"?
  #   postplan:
  #     - action: dput

  pre "deps" {
    # Line 2: "cargo_test" can not stand in a pre stage: it runs the project's code, which only plan stages do.
    #   action: cargo_test
    # Line 3: "http_get": Not an address. Write an http or https address, such as "https://example.org/file.tar.gz".
    #   action: http_get
    #   items:
    #     - url: ftp://example.org/a
    # Line 8: this item of "http_get" has no url.
    #   file: without-url
    # Line 10: the action "http_get" has no "retires" here.
    #   retires: 3
    action "http_get" {
      url = "https://example.org/b"
    }
  }

  plan "ci" {
    # Line 12: there is no action "cargo_fecth". Did you mean "cargo_fetch"?
    #   action: cargo_fecth
    # Line 13: "cargo_fetch" can not stand in a plan stage: it needs a network, which only pre stages have.
    #   action: cargo_fetch
    # Line 14: this entry does not say "action: NAME".
    #   shell: make
    # Line 15: this is not an action, which is written "- action: NAME".
    #   just text
    # Line 16: the action "shell" needs "shell".
    #   action: shell
    #   script: make
    action "shell" {
      script = "make check"
    }

    # Line 20: the action "shell" has no "timeout" here.
    #   timeout: 10
    # Line 21: "custom": Not a plain file name. Name a file in the directory .ambient of the source tree, without its directory. It begins with a letter, digit or underscore.
    #   action: custom
    #   name: ../evil
    # Line 23: "custom": Not a name for an argument. Each argument becomes a variable of the environment, so its name has letters, digits and underscores only.
    #   action: custom
    #   name: fine
    #   args: {"a-b": 1}
    # Line 26: "tar_create": it is internal to the Rust program; artifacts and the cache are packed without it.
    #   action: tar_create
    #   archive: /dev/vdb
    #   directory: /ci
    # Line 30: this can not be an environment variable here.
    #   AMBIENT_SRC: x
    # Line 30: this can not be an environment variable here.
    #   1st: y
    # Line 30: this can not be an environment variable here.
    #   LIST: [a]
    action "shell" {
      script = "printf 'a\r\nb'\n"
      env = {
        GOOD = "z"
      }
    }
  }
}
