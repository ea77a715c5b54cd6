action "report" {
  param "from" {
    type = string
  }
  action "tools.say" {
    what = "${param.from} ${var.token}"
  }
  action "tools.say" {
    what = "no secret"
  }
}
