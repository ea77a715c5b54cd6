// Command ambient-guest is PID 1 of a stage's virtual machine; see package
// guest/agent.
package main

import "github.com/ambient-ci/ambient/guest/agent"

func main() { agent.Main() }
