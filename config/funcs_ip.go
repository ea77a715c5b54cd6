package config

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// block is a range of addresses as numbers.
type block struct {
	first *big.Int
	bits  int // of the prefix
	total int // of an address: 32 or 128
}

func parseBlock(text string) (block, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return block{}, errors.New("an address block is needed, such as \"10.1.0.0/16\" or \"fd00::/48\"")
	}
	p = p.Masked()
	return block{new(big.Int).SetBytes(p.Addr().AsSlice()), p.Bits(), p.Addr().BitLen()}, nil
}

// power returns 2 to the power of n.
func power(n int) *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(n)) }

// address writes a number as an address.
func (b block) address(n *big.Int) string {
	a, _ := netip.AddrFromSlice(n.FillBytes(make([]byte, b.total/8)))
	return a.String()
}

// host returns an address of the block; a negative number counts from its end.
func (b block) host(n *big.Int) (string, error) {
	size := power(b.total - b.bits)
	if n.Sign() < 0 {
		n = new(big.Int).Add(size, n)
	}
	if n.Sign() < 0 || n.Cmp(size) >= 0 {
		return "", errors.New("the block has not so many addresses")
	}
	return b.address(new(big.Int).Add(b.first, n)), nil
}

// subnet returns the n-th block with a prefix that is longer by more bits.
func (b block) subnet(more int, n *big.Int) (string, error) {
	bits := b.bits + more
	switch {
	case more < 0 || bits > b.total:
		return "", fmt.Errorf("a prefix of %d bits can be longer by 0 to %d bits", b.bits, b.total-b.bits)
	case n.Sign() < 0 || n.Cmp(power(more)) >= 0:
		return "", fmt.Errorf("there are no more than %s such blocks", power(more))
	}
	at := new(big.Int).Lsh(n, uint(b.total-bits))
	return fmt.Sprintf("%s/%d", b.address(at.Add(at, b.first)), bits), nil
}

// subnets returns blocks that follow each other.
func (b block) subnets(more []int) ([]cty.Value, error) {
	var out []cty.Value
	next, end := new(big.Int), power(b.total-b.bits)
	for _, m := range more {
		if m < 1 || b.bits+m > b.total {
			return nil, fmt.Errorf("a prefix of %d bits can be longer by 1 to %d bits", b.bits, b.total-b.bits)
		}
		size := power(b.total - b.bits - m)
		n := new(big.Int).Add(next, size)
		n.Sub(n, big.NewInt(1)).Div(n, size) // the first such block that does not begin before next
		text, err := b.subnet(m, n)
		next.Mul(n.Add(n, big.NewInt(1)), size)
		if err != nil || next.Cmp(end) > 0 {
			return nil, errors.New("the block has not enough addresses for all of these")
		}
		out = append(out, cty.StringVal(text))
	}
	return out, nil
}

// ipFunc makes a function of a block and whole numbers.
func ipFunc(numbers []string, result cty.Type, f func(b block, n []*big.Int) (cty.Value, error)) function.Function {
	spec := &function.Spec{
		Params: []function.Parameter{param("prefix", cty.String)},
		Type:   function.StaticReturnType(result),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			b, err := parseBlock(args[0].AsString())
			if err != nil {
				return cty.DynamicVal, function.NewArgError(0, err)
			}
			var n []*big.Int
			for i, a := range args[1:] {
				whole, exact := a.AsBigFloat().Int(nil)
				if exact != big.Exact || whole.BitLen() > 128 {
					return cty.DynamicVal, function.NewArgErrorf(i+1, "a whole number of at most 128 bits is needed")
				}
				n = append(n, whole)
			}
			return f(b, n)
		},
	}
	for _, name := range numbers {
		spec.Params = append(spec.Params, param(name, cty.Number))
	}
	if numbers == nil {
		spec.VarParam = &function.Parameter{Name: "newbits", Type: cty.Number}
	}
	return function.New(spec)
}

// small returns a number of bits.
func small(n *big.Int) int {
	if !n.IsInt64() || n.Int64() > 1000 || n.Int64() < -1000 {
		return -1
	}
	return int(n.Int64())
}

func stringOr(s string, err error) (cty.Value, error) { return cty.StringVal(s), err }

var ipFunctions = map[string]function.Function{
	"cidrhost": ipFunc([]string{"hostnum"}, cty.String, func(b block, n []*big.Int) (cty.Value, error) {
		return stringOr(b.host(n[0]))
	}),
	"cidrnetmask": ipFunc([]string{}, cty.String, func(b block, _ []*big.Int) (cty.Value, error) {
		if b.total != 32 {
			return cty.DynamicVal, errors.New("only IPv4 has netmasks")
		}
		mask := new(big.Int).Sub(power(32), power(32-b.bits))
		return cty.StringVal(b.address(mask)), nil
	}),
	"cidrsubnet": ipFunc([]string{"newbits", "netnum"}, cty.String, func(b block, n []*big.Int) (cty.Value, error) {
		return stringOr(b.subnet(small(n[0]), n[1]))
	}),
	"cidrsubnets": ipFunc(nil, cty.List(cty.String), func(b block, n []*big.Int) (cty.Value, error) {
		var more []int
		for _, m := range n {
			more = append(more, small(m))
		}
		out, err := b.subnets(more)
		if err != nil || len(out) == 0 {
			return cty.ListValEmpty(cty.String), err
		}
		return cty.ListVal(out), nil
	}),
}
