package config

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// attributeError names the first attribute of an object that does not fit, nil
// if the value is not an object, or none is wanted.
func attributeError(v cty.Value, want cty.Type) error {
	t := v.Type()
	if !want.IsObjectType() || !t.IsObjectType() && !t.IsMapType() || v.IsNull() || !v.IsKnown() {
		return nil
	}
	have := v.AsValueMap()
	for _, name := range names(want.AttributeTypes()) {
		e, ok := have[name]
		if !ok {
			if want.AttributeOptional(name) {
				continue
			}
			return fmt.Errorf("the attribute %q (%s) is missing", name, typeName(want.AttributeType(name)))
		}
		if _, err := convertTo(e, want.AttributeType(name)); err != nil {
			return fmt.Errorf("attribute %q: %w", name, err)
		}
	}
	return nil
}

// surplus finds an attribute that the wanted type does not have: conversion
// would drop it without a word, and with it what a user meant by a misspelt
// name.
func surplus(v cty.Value, want cty.Type) error {
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	t := v.Type()
	switch {
	case want.IsObjectType() && (t.IsObjectType() || t.IsMapType()):
		return surplusAttribute(v, want)
	case want.IsCollectionType() && !want.ElementType().IsPrimitiveType() && v.CanIterateElements():
		for _, e := range v.Elements() {
			if err := surplus(e, want.ElementType()); err != nil {
				return err
			}
		}
	case want.IsTupleType() && t.IsTupleType() && t.Length() == want.Length():
		for i, e := range v.AsValueSlice() {
			if err := surplus(e, want.TupleElementType(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func surplusAttribute(v cty.Value, want cty.Type) error {
	have := v.AsValueMap()
	known := names(want.AttributeTypes())
	for _, name := range names(have) {
		if want.HasAttribute(name) {
			if err := surplus(have[name], want.AttributeType(name)); err != nil {
				return err
			}
			continue
		}
		return fmt.Errorf("there is no attribute %q (%s)", printable(name), orList(known, name, "attributes"))
	}
	return nil
}
