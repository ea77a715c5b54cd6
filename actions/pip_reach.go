package actions

import (
	"path"

	"github.com/ambient-ci/ambient/config"
)

// maxIncludes bounds how many requirements files are read for their hosts.
const maxIncludes = 50

// pipRequirements returns the text of an action's requirements files with those
// that they include.
func pipRequirements(args config.Args, tree Tree) string {
	text := ""
	files := append(pipFiles(args), args.Strings("constraints")...)
	for i := 0; i < len(files) && i < maxIncludes; i++ {
		one := readTree(tree, path.Clean(files[i]))
		text += one + "\n"
		for _, m := range pipMore.FindAllStringSubmatch(one, -1) {
			if next := path.Join(path.Dir(files[i]), m[1]); localPath(next) {
				files = append(files, next)
			}
		}
	}
	return text
}
