variable "key" {
  sensitive = true
  default   = "fi 1234"
}
image "debian" {
  debian {}
}
project "p" {
  plan "structure" {
    action "shell" {
      script = <<-EOT
        make
        if true; then # ERROR: Syntax error in a script
          echo
      EOT
    }
    action "shell" { script = "echo \"a" }            # ERROR: Syntax error in a script
    action "shell" { script = "a && && b" }           # ERROR: Syntax error in a script
    action "shell" { script = "(a" }                  # ERROR: Syntax error in a script
    action "shell" { script = "echo foo (bar)" }      # ERROR: Syntax error in a script
    action "shell" { script = "for a in b c d; e" }   # ERROR: Syntax error in a script
    action "shell" { script = "for a in b do c" }     # ERROR: Syntax error in a script
    action "shell" { script = "case a in b c;; esac" } # ERROR: Syntax error in a script
    action "shell" { script = "echo >" }              # ERROR: Syntax error in a script
    action "shell" { script = "echo; ${var.key}" }    # ERROR: Syntax error in a script
  }
  plan "doubtful" {
    action "shell" { script = "echo $${a!}" }    # ERROR: Doubtful syntax in a script
    action "shell" { script = "echo $((1 +))" }  # ERROR: Doubtful syntax in a script
    action "shell" { script = "cat <<END\nEND " } # ERROR: Doubtful syntax in a script
  }
  plan "shells" {
    image = image.debian
    action "shell" { script = "a=(1 2)" }
    action "shell" {
      shell  = "sh"
      script = "a=(1 2)" # ERROR: Script needs bash
    }
  }
  plan "built-in" {
    action "shell" { script = "a=(1 2)" } # ERROR: Script needs bash
    action "shell" {
      shell  = "bash" # ERROR: No bash in this image
      script = "a=(1 2)"
    }
  }
  plan "other" {
    action "shell" { script = "# make\n\n" }                   # ERROR: Script does nothing
    action "shell" { script = "a\r\nb\r\n" }                   # ERROR: Carriage return in a script
    action "shell" { script = "#!/usr/bin/python3\nprint(1)" } # ERROR: Script for another interpreter # ERROR: Syntax error in a script
    action "shell" { script = "echo ${HOME}" }                 # ERROR: Unknown reference
  }
}
