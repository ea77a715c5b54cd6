project "of its own" {}
