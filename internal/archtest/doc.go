// Package archtest holds the rules of the house that no compiler checks: who
// may import whom, where the program may print or exit, how long a file may be.
// It has only tests.
package archtest
