package config

// The tables of the language. What stands here is what Load accepts and what
// the reference describes.

// top is the body of a file.
var top = &blockSpec{Blocks: []*blockSpec{
	ambientSpec, variableSpec, localsSpec, useSpec, actionSpec, imageSpec, limitsSpec, projectSpec,
	secretSpec, trustSpec,
	{Name: "matrix", Never: matrixPlace},
	{Name: "dynamic", Labels: []string{"block"}, Never: dynamicPlace},
}}

var ambientSpec = &blockSpec{
	Name: "ambient", Single: true,
	Doc:     "Settings of ambient itself. It is read before anything else, so that a program that is too old says so.",
	Example: "ambient {\n  required_version = \">= 0.1\"\n}",
	Args: []argSpec{
		{Name: "required_version", Type: "string", Doc: "The versions of ambient that can read these files, such as `>= 0.1, < 2`. A literal string."},
	},
}

var variableSpec = &blockSpec{
	Name: "variable", Labels: []string{"name"},
	Doc: "An input, used as `var.NAME`. Its value comes from, later ones winning: `default`, the environment variable " +
		"`AMBIENT_VAR_NAME`, the files of `-var-file`, and `-var NAME=VALUE`.",
	Example: "variable \"channel\" {\n  type    = string\n  default = \"stable\"\n  validation {\n" +
		"    condition     = contains([\"stable\", \"edge\"], var.channel)\n    error_message = \"channel must be stable or edge.\"\n  }\n}",
	Args: []argSpec{
		{Name: "type", Type: "type", Default: "any", Doc: "`string`, `number`, `bool`, `any`, `list(T)`, `set(T)`, `map(T)`, `tuple([T, …])` or `object({NAME = T, …})`, where `optional(T, DEFAULT)` makes an attribute optional. An attribute that the type does not have is an error."},
		{Name: "default", Type: "any", Doc: "The value when none is given. Without it a value must be given. It may not refer to anything."},
		{Name: "description", Type: "string", Doc: "What the variable is for."},
		{Name: "sensitive", Type: "bool", Default: "false", Doc: "Never show the value. It may be used in the arguments and the environment of actions only."},
	},
	Blocks: []*blockSpec{{
		Name: "validation", Doc: "A rule for the value. There may be several.",
		Args: []argSpec{
			{Name: "condition", Type: "bool", Required: true, Doc: "An expression that is true for a good value. It may refer to variables."},
			{Name: "error_message", Type: "string", Required: true, Doc: "What to tell the user otherwise."},
		},
	}},
}

var localsSpec = &blockSpec{
	Name: "locals", Open: true,
	Doc:     "Named values, used as `local.NAME`. They may refer to each other in any order. There may be several `locals` blocks.",
	Example: "locals {\n  packages = [\"git\", \"make\", \"gcc\", \"libc6-dev\"]\n}",
}

var imageSpec = &blockSpec{
	Name: "image", Labels: []string{"name"},
	Doc:     "A system that stages boot, used as `image.NAME`. A stage that names none boots the built-in image: a Debian kernel and busybox.",
	Example: "image \"debian\" {\n  debian {\n    suite    = \"bookworm\"\n    packages = [\"make\", \"gcc\", \"libc6-dev\"]\n  }\n}",
	Args: []argSpec{
		{Name: "url", Type: "string", Later: "Use a debian { … } block."},
		{Name: "checksum", Type: "string", Later: "Use a debian { … } block."},
		{Name: "oci", Type: "string", Later: "Use a debian { … } block."},
		{Name: "from", Type: "image", Later: "List all packages in one debian { … } block."},
	},
	Blocks: []*blockSpec{
		{
			Name: "debian", Single: true, Doc: "A Debian system with the given packages, built once and kept.",
			Args: []argSpec{
				{Name: "suite", Type: "string", Default: "chosen by ambient", Doc: "The name of the release, such as `bookworm`."},
				{Name: "packages", Type: "list(string)", Default: "[]", Doc: "Packages to install, with what they depend on."},
				{Name: "mirror", Type: "string", Doc: "The address of the archive. Without it the host's own apt sources are used."},
			},
		},
		{Name: "provision", Later: "List the packages in the debian { … } block, or install things in a pre stage."},
		{Name: "oci", Later: "Use a debian { … } block."},
	},
}

var limitsSpec = &blockSpec{
	Name: "limits", Labels: []string{"name"},
	Doc: "What a stage may use, used as `limits.NAME`. A `limits` block without a name inside a project or a stage changes single " +
		"limits there. Sizes are a number of bytes or a string with KiB, MiB, GiB or TiB; durations are strings such as `90s`, `10m` or `1h30m`.",
	Example: "limits \"small\" {\n  cpus    = 2\n  memory  = \"1GiB\"\n  timeout = \"10m\"\n}",
	Args:    limitArgs(),
}

var projectSpec = &blockSpec{
	Name: "project", Labels: []string{"name"},
	Doc:     "A source tree and the stages that work on it.",
	Example: "project \"hello\" {\n  plan \"greet\" {\n    action \"shell\" { script = \"echo hello from $(uname -m)\" }\n  }\n}",
	Args: []argSpec{
		{Name: "source", Type: "string", Default: `"."`, Doc: "A directory, relative to that of the files, or a go-getter address."},
		{Name: "image", Type: "image", Default: "the built-in image", Doc: "The image of stages that name none."},
		{Name: "limits", Type: "limits", Default: "the default limits", Doc: "The limits of stages that name none."},
		{Name: "env", Type: "map(string)", Default: "{}", Doc: "Environment variables for every action."},
		{Name: "sources", Type: "map(string)", Default: "{}", Doc: sourcesDoc},
		{Name: "timeout", Type: "duration", Default: "none", Doc: projectTimeoutDoc},
		{Name: "git", Type: "bool", Default: "false", Doc: gitDoc},
		{Name: "for_each", Type: "set(string) or map(any)", Later: "Write one project block for each, or use for_each in a stage."},
	},
	Blocks: []*blockSpec{
		stageSpec(Pre, "A stage that fetches. It has a network, does not run the project's code, and fills `/ci/deps` for the plan stages of its project. The source is read-only."),
		stageSpec(Plan, "A stage that runs the project's code. It has no network. It reads `/ci/src`, `/ci/deps`, `/ci/cache` and the artifacts that it refers to, and writes `/ci/cache` and `/ci/artifacts`."),
		stageSpec(Post, "A stage that delivers. It has a network, does not run the project's code, and reads the artifacts of all plan stages of its project in `/ci/artifacts`."),
		inlineLimits,
		trustSpec,
		{Name: "secret", Never: secretPlace},
		{Name: "matrix", Never: matrixPlace},
		{Name: "dynamic", Labels: []string{"block"}, Never: dynamicPlace},
	},
}

// inlineLimits changes single limits of a project or a stage.
var inlineLimits = &blockSpec{
	Name: "limits", Single: true,
	Doc:  "Changes single limits; the arguments are those of the `limits` block.",
	Args: limitArgs(),
}

func stageSpec(phase Phase, doc string) *blockSpec {
	s := &blockSpec{
		Name: string(phase), Labels: []string{"name"}, Doc: doc,
		Args: []argSpec{
			{Name: "for_each", Type: "set(string) or map(any)", Doc: "Makes one instance of the stage for each element, with `each.key` and `each.value`. An instance is named `" + string(phase) + ".NAME[\"KEY\"]`. It may not refer to stages."},
			{Name: "image", Type: "image", Default: "the project's", Doc: "The image to boot: `image.NAME`."},
			{Name: "limits", Type: "limits", Default: "the project's", Doc: "The limits: `limits.NAME`."},
			{Name: "env", Type: "map(string)", Default: "{}", Doc: "Environment variables for every action, added to the project's."},
			{Name: "after", Type: "list(stage)", Default: "[]", Doc: "Stages that must succeed before this one starts, such as `[plan.lint, project.lib.plan.build]`. Of the same phase or an earlier one."},
			secretsArg(phase),
			{Name: "timeout", Type: "duration", Default: "that of its limits", Doc: "How long the stage may take, each time it is tried, whatever its limits say. From 1s to 168h."},
		},
		Blocks: []*blockSpec{
			{Name: "action", Labels: []string{"name"}, Dotted: true, Open: true, Doc: "One thing to do. Actions run in the order of the file, and the first that fails ends the stage.",
				Args: []argSpec{
					{Name: "env", Type: "map(string)", Default: "{}", Doc: "Environment variables for this action, added to the stage's."},
					{Name: "timeout", Type: "string", Default: "none", Doc: "How long this action may take, beside the stage's own limit."},
				}},
			inlineLimits,
			networkSpec,
			trustSpec,
			matrixSpec,
			retrySpec,
			{Name: "secret", Never: secretPlace},
			dynamicSpec,
		},
	}
	if phase != Pre {
		s.Args = append(s.Args, whenArg)
	}
	if phase == Plan {
		s.Blocks[2] = &blockSpec{Name: "network", Never: "A plan stage runs the project's code and never has a network: fetch what it needs in a pre stage."}
		s.Blocks[3] = noTrustInPlan
	}
	return withReuse(s, phase)
}
