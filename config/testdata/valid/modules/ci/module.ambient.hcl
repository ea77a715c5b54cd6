ambient {
  required_version = ">= 0.1"
}

variable "channel" {
  type = string
  validation {
    condition     = contains(["stable", "edge"], var.channel)
    error_message = "channel must be stable or edge."
  }
}

variable "token" {
  type      = string
  sensitive = true
}

locals {
  greeting = trimspace(file("greeting.txt"))
}

use "tools" {
  source  = "./tools"
  greeting = local.greeting
}

action "fetch" {
  phases = ["pre"]
  param "urls" {
    type        = list(string)
    description = "What to fetch."
    validation {
      condition     = length(param.urls) > 0
      error_message = "Nothing to fetch."
    }
  }
  action "http_get" {
    dynamic "file" {
      for_each = param.urls
      content { url = "${file.value}?channel=${var.channel}" }
    }
  }
}
