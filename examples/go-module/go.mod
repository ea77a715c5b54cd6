module example.test/nearest

go 1.19

require (
	github.com/agext/levenshtein v1.2.3
	github.com/mitchellh/go-wordwrap v1.0.1
)
