package actions

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "http_put",
		Doc: "Uploads artifacts to a server over HTTP.\n\n" +
			"Each file is one request, with its length and its SHA-256 checksum in the header (`Repr-Digest`, RFC 9530). The server must answer with a status from 200 to 299. " +
			"A server that can not be reached, or that answers with a status from 500, makes the stage errored, once the retries are used up; another answer makes it failed. It needs no tool in the image.",
		Phases: []config.Phase{config.Post},
		Params: []config.Param{
			{Name: "files", Type: config.TypeStrings, Required: true, Doc: "The files, as patterns relative to the artifacts: `*` is a part of a name, `**` any number of directories."},
			{Name: "url", Type: config.TypeString, Required: true, Doc: "Where to, `https` or `http`, without a password. With a final slash each file is put below it, with its path in the artifacts; without one there can be one file only."},
			{Name: "method", Type: config.TypeString, Default: "PUT", Doc: "`PUT` or `POST`."},
			{Name: "headers", Type: config.TypeMap, Doc: "More lines of the header: `{ Content-Type = \"application/gzip\" }`."},
			tokenParam,
			{Name: "token_header", Type: config.TypeString, Default: "Authorization", Doc: "The line of the header that holds the token."},
			{Name: "token_format", Type: config.TypeString, Default: "Bearer %s", Doc: "Its value, with `%s` for the token."},
			retriesParam,
		},
		Example: "action \"http_put\" {\n  files = [\"hello-*.tar.gz\"]\n  url   = \"https://files.example.org/releases/\"\n  token = secret.token.files.path\n}",
		Check:   checkHTTPPut,
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		u := &guest.Upload{
			Dir: guest.DirArtifacts, Files: args.Strings("files"), URL: args.String("url"), Method: args.String("method"),
			Header: args.Map("headers"), Retries: int(args.Int("retries")),
		}
		if args.Has("token") {
			u.TokenFile, u.TokenHeader, u.TokenFormat = args.String("token"), args.String("token_header"), args.String("token_format")
		}
		return []guest.Step{{Upload: u}}, nil
	},
	Reach: func(args config.Args, _ Host, _ Tree) ([]config.Allow, error) {
		return allowURL(args.String("url"), gitPorts)
	},
	Title: func(args config.Args) string { return "http_put " + strings.Join(args.Strings("files"), " ") },
})

// headerName is a token of RFC 9110, section 5.6.2.
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// headersOwn are lines of the header that the upload writes itself.
var headersOwn = []string{"content-length", "transfer-encoding", "host", "connection", "repr-digest", "expect", "trailer", "te", "upgrade"}

func checkHTTPPut(args config.Args) []config.Problem {
	var c checker
	c.retries(args)
	c.patterns("files", args.Strings("files"))
	c.httpURL(args.String("url"))
	if u, err := url.Parse(args.String("url")); err == nil && u.Fragment != "" {
		c.problem("url", "Address with a fragment", "Leave out what begins with \"#\": it never reaches a server.")
	}
	if m := args.String("method"); m != "PUT" && m != "POST" {
		c.problem("method", "Unknown method", "Write \"PUT\" or \"POST\".")
	}
	for _, name := range sortedKeys(args.Map("headers")) {
		if !c.header("headers", name, args.Map("headers")[name]) {
			break
		}
	}
	c.secretFile("token", args)
	c.header("token_header", args.String("token_header"), "")
	if f := args.String("token_format"); strings.Count(f, "%s") != 1 || strings.Count(f, "%") != 1 || strings.ContainsFunc(f, unicode.IsControl) {
		c.problem("token_format", "Not a format", "Write a text with one %s in it, which stands for the token, and no other percent sign.")
	}
	return c.problems
}

// header checks one line of a header.
func (c *checker) header(param, name, value string) bool {
	switch {
	case !headerName.MatchString(name):
		c.problem(param, "Not the name of a header line", "A name has letters, digits and hyphens, without a colon.")
	case slices.Contains(headersOwn, strings.ToLower(name)):
		c.problem(param, "Header line not allowed", fmt.Sprintf("The action writes %s itself, or HTTP has no use for it here.", name))
	case strings.ContainsFunc(value, unicode.IsControl):
		c.problem(param, "Control character in a header", "The value of a header line is one line of text.")
	default:
		return true
	}
	return false
}

// patterns checks patterns of files.
func (c *checker) patterns(param string, files []string) {
	if len(files) == 0 || len(files) > maxPatterns {
		c.problem(param, "No files, or too many patterns", fmt.Sprintf("Name from 1 to %d files or patterns.", maxPatterns))
	}
	for _, f := range files {
		if !c.text(param, f) {
			return
		}
		if _, err := path.Match(f, ""); err != nil || f == "" || strings.HasPrefix(f, "/") || strings.HasSuffix(f, "/") || strings.Contains("/"+f+"/", "/../") {
			c.problem(param, "Not a pattern for files", "Write a path relative to the artifacts in which * is a part of a name, ** any number of directories and [a-z] one of some characters, without \"..\".")
			return
		}
	}
}
