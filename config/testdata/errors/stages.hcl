project "p" {
  pre "fetch" {
    network { mode = "opne" } # ERROR: Unknown network mode
    network {} # ERROR: Duplicate block
    action "shell" { script = "true" }
  }
  plan "list" {
    for_each = ["a", "b"] # ERROR: Wrong type
    action "shell" { script = each.key }
  }
  plan "text" {
    for_each = "a" # ERROR: Wrong type
    action "shell" { script = each.key }
  }
  plan "numbers" {
    for_each = toset([1, 2]) # ERROR: Wrong type
    action "shell" { script = each.key }
  }
  plan "null" {
    for_each = null # ERROR: Missing value
    action "shell" { script = each.key }
  }
  plan "empty-key" {
    for_each = { "" = 1 } # ERROR: Invalid key in for_each
    action "shell" { script = each.key }
  }
  plan "stages" {
    for_each = plan.list # ERROR: Reference to a stage not allowed here
    action "shell" { script = each.key }
  }
  plan "many" {
    for_each = toset(split(",", format("%s%s", join(",", range(900)), join(",", range(1000, 1900))))) # ERROR: Too many instances
    action "shell" { script = each.key }
  }
  plan "each" {
    for_each = { a = 1 }
    action "shell" { script = each.name } # ERROR: Unknown reference
    action "shell" { script = each } # ERROR: Incomplete reference
  }
  plan "no-each" {
    action "shell" { script = each.key } # ERROR: Reference outside for_each
  }
  plan "after" {
    after = plan.each # ERROR: Not a list of stages
    action "shell" { script = "true" }
  }
  plan "after2" {
    after = ["plan.each", plan.eech, 1, plan.each.artifacts, post.out, pre.fetch, plan.after2] # ERROR: Not a stage # ERROR: Unknown stage # ERROR: Not a stage # ERROR: Reference to a stage with for_each # ERROR: Later phase # ERROR: Stage refers to itself
    action "shell" { script = "true" }
  }
  post "out" {
    after = [plan] # ERROR: Incomplete reference
    action "shell" { script = "true" }
  }
}
