project "p" {
  pre "fetch" {
    action "shell" { script = plan.build.artifacts } # ERROR: Artifacts not allowed in a pre stage
  }
  plan "build" {
    action "shell" { script = "${plan.bild.artifacts}" } # ERROR: Unknown stage
    action "shell" { script = plan.build.artifacts } # ERROR: Stage refers to itself
    action "shell" { script = plan.test.artifact } # ERROR: Unknown attribute of a stage
    action "shell" { script = plan.test } # ERROR: Wrong type
    action "shell" { script = plan.test[0] } # ERROR: Stage without instances
    action "shell" { script = plan.test.artifacts.bin } # ERROR: Reference too long
    action "shell" { script = plan.each.artifacts } # ERROR: Reference to a stage with for_each
    action "shell" { script = plan.each["shrt"].artifacts } # ERROR: Unknown instance
    action "shell" { script = plan.each[0].artifacts } # ERROR: Reference to a stage with for_each
    action "shell" { script = plan.*.artifacts } # ERROR: Incomplete reference
    action "shell" { script = plan } # ERROR: Incomplete reference
    action "shell" { script = pre.fetch.artifacts } # ERROR: Pre stages have no artifacts
    action "shell" { script = post.out.artifacts } # ERROR: Later phase
    action "shell" { script = project.q.plan.build.artifacts } # ERROR: Unknown project
    action "shell" { script = project.lib.plain.build.artifacts } # ERROR: Unknown phase
    action "shell" { script = project.lib.plan } # ERROR: Incomplete reference
    action "shell" { script = project.lib } # ERROR: Incomplete reference
    action "shell" { script = project } # ERROR: Incomplete reference
    action "shell" { script = plan.compile.artifacts } # ERROR: Unknown stage
    action "shell" { script = plan.out.artifacts } # ERROR: Unknown stage
    action "shell" { script = project.lib.plan.compile.artifacts }
    action "shell" { script = secret.ssh.deploy } # ERROR: Secret in a plan stage
    action "shell" { script = try(plan.nope.artifacts, "") } # ERROR: Unknown stage
    action "shel" { script = plan.nope.artifacts } # ERROR: Unknown action # ERROR: Unknown stage
    limits {
      memory = plan.test.artifacts # ERROR: Reference to a stage not allowed here
    }
  }
  plan "test" {
    action "shell" { script = "true" }
  }
  plan "each" {
    for_each = toset(["short", "long"])
    action "shell" { script = plan.each["short"].artifacts } # ERROR: Stage refers to itself
  }
  post "out" {
    action "shell" { script = plan.test.artifacts }
  }
}
project "lib" {
  plan "compile" {
    action "shell" { script = "true" }
  }
}
