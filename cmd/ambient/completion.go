package main

import "strings"

type completionCommand struct{ *app }

func (completionCommand) Synopsis() string { return "print a completion script for a shell" }

func (completionCommand) Help() string {
	return helpText{
		usage: "completion bash | zsh | fish",
		about: "Prints a script that makes the shell complete commands, options, stages, runs and\n" +
			"files. The script asks this program, so it stays right when the program changes.",
		exits: append([]string{"0", "done"}, usageExit...),
		examples: []string{
			"source <(ambient completion bash)    # in ~/.bashrc",
			"source <(ambient completion zsh)     # in ~/.zshrc, after compinit",
			"ambient completion fish > ~/.config/fish/completions/ambient.fish",
		},
	}.String()
}

// completeWords is the operand with which the scripts ask for completions; the
// words of the command line follow.
const completeWords = "words"

func (c completionCommand) Run(args []string) int {
	if len(args) > 0 && args[0] == completeWords {
		words := args[1:]
		if len(words) > 0 && words[0] == "--" {
			words = words[1:]
		}
		for _, s := range c.complete(words) {
			c.out.printf("%s\n", s)
		}
		return c.finish("completion", nil)
	}
	shell, err := c.parseCompletion(args)
	if err == nil {
		c.out.printf("%s", completionScripts[shell])
	}
	return c.finish("completion", err)
}

func (c completionCommand) parseCompletion(args []string) (string, error) {
	operands, err := c.parse(newFlags("completion"), args)
	if err == nil {
		err = wantOperands(operands, 1, 1, "bash, zsh or fish")
	}
	if err != nil {
		return "", err
	}
	if completionScripts[operands[0]] == "" {
		return "", usagef("There is no script for %q: want %s.%s", operands[0], strings.Join(shells, ", "), didYouMean(operands[0], shells))
	}
	return operands[0], nil
}

var shells = []string{"bash", "fish", "zsh"}

// completionScripts by shell. They leave files to the shell when the program has
// nothing to say. Bash splits words at "=", and replaces only what follows it.
var completionScripts = map[string]string{
	"bash": `# bash completion for ambient
_ambient() {
  local word=${COMP_LINE:0:COMP_POINT} cur=${COMP_WORDS[COMP_CWORD]} answer
  [[ $cur == = ]] && cur=
  COMPREPLY=()
  while IFS= read -r answer; do
    if [[ ${COMP_WORDS[COMP_CWORD]} == = || ${COMP_WORDS[COMP_CWORD-1]} == = ]]; then
      [[ $answer == -*=* ]] && answer=${answer#*=}
    fi
    [[ $answer == *= ]] && compopt -o nospace
    [[ $answer == */ ]] && compopt -o nospace
    COMPREPLY+=("$(printf %q "$answer")")
  done < <(COMP_LINE=$COMP_LINE COMP_POINT=$COMP_POINT command ambient 2>/dev/null)
  [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o default
}
complete -F _ambient ambient
`,
	"zsh": `#compdef ambient
# zsh completion for ambient
_ambient() {
  local -a answers
  answers=("${(@f)$(ambient completion words -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  answers=(${answers:#})
  if (( ! $#answers )); then
    _files
    return
  fi
  compadd -S '' -- ${(M)answers:#*[=/]}
  compadd -- ${answers:#*[=/]}
}
if [ "$funcstack[1]" = "_ambient" ]; then
  _ambient "$@"
else
  compdef _ambient ambient
fi
`,
	"fish": `# fish completion for ambient
function __ambient_complete
  set -l before (commandline -opc)
  set -l answers (ambient completion words -- $before[2..-1] (commandline -ct) 2>/dev/null)
  if test (count $answers) -eq 0
    __fish_complete_path (commandline -ct)
  else
    printf '%s\n' $answers
  end
end
complete -c ambient -f -a '(__ambient_complete)'
`,
}
