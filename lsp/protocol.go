package lsp

// The parts of the protocol that this server uses, under its names.

type position struct {
	Line      int `json:"line"`      // from 0
	Character int `json:"character"` // in units of UTF-16, from 0
}

type textRange struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

type location struct {
	URI   string    `json:"uri"`
	Range textRange `json:"range"`
}

type textDocument struct {
	URI     string `json:"uri"`
	Version int    `json:"version"`
	Text    string `json:"text"`
}

type documentParams struct {
	Document textDocument `json:"textDocument"`
	Position position     `json:"position"`
}

type changeParams struct {
	Document textDocument `json:"textDocument"`
	Changes  []struct {
		Range *textRange `json:"range"` // nil: the whole text
		Text  string     `json:"text"`
	} `json:"contentChanges"`
}

type initializeParams struct {
	Capabilities struct {
		TextDocument struct {
			Completion struct {
				Item struct {
					Snippets bool `json:"snippetSupport"`
				} `json:"completionItem"`
			} `json:"completion"`
			Symbol struct {
				Tree bool `json:"hierarchicalDocumentSymbolSupport"`
			} `json:"documentSymbol"`
		} `json:"textDocument"`
	} `json:"capabilities"`
}

type initializeResult struct {
	Capabilities map[string]any    `json:"capabilities"`
	Server       map[string]string `json:"serverInfo"`
}

type diagnostic struct {
	Range    textRange `json:"range"`
	Severity int       `json:"severity"`
	Source   string    `json:"source"`
	Message  string    `json:"message"`
}

type publishParams struct {
	URI         string       `json:"uri"`
	Version     *int         `json:"version,omitempty"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

type markup struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

func markdown(text string) *markup { return &markup{"markdown", text} }

type textEdit struct {
	Range textRange `json:"range"`
	Text  string    `json:"newText"`
}

type completionItem struct {
	Label    string    `json:"label"`
	Kind     int       `json:"kind"`
	Detail   string    `json:"detail,omitempty"`
	Doc      *markup   `json:"documentation,omitempty"`
	Sort     string    `json:"sortText,omitempty"`
	Format   int       `json:"insertTextFormat,omitempty"`
	TextEdit *textEdit `json:"textEdit,omitempty"`
}

type completionList struct {
	Incomplete bool             `json:"isIncomplete"`
	Items      []completionItem `json:"items"`
}

type hoverResult struct {
	Contents *markup   `json:"contents"`
	Range    textRange `json:"range"`
}

type documentSymbol struct {
	Name      string           `json:"name"`
	Detail    string           `json:"detail,omitempty"`
	Kind      int              `json:"kind"`
	Range     textRange        `json:"range"`
	Selection textRange        `json:"selectionRange"`
	Children  []documentSymbol `json:"children,omitempty"`
}

// flatSymbol is a documentSymbol for clients that know no trees.
type flatSymbol struct {
	Name     string   `json:"name"`
	Kind     int      `json:"kind"`
	Location location `json:"location"`
}

// Numbers of the protocol.
const (
	severityError   = 1
	severityWarning = 2

	formatSnippet = 2

	itemFunction = 3
	itemVariable = 6
	itemModule   = 9
	itemProperty = 10
	itemKeyword  = 14
	itemEnum     = 20
	itemStruct   = 22
	itemEvent    = 23

	symbolModule   = 2
	symbolProperty = 7
	symbolFunction = 12
	symbolVariable = 13
	symbolStruct   = 23
	symbolEvent    = 24
)
