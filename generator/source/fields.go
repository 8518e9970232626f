package source

import (
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"colorstream/generator/message"
)

// The reasons to reject an object without a field, or with one of another type.
var (
	absent = [...]message.Reason{
		message.ColorMissing, message.NameType, message.ValueMissing, message.TimeInvalid,
	}
	mistyped = [...]message.Reason{
		message.ColorType, message.NameType, message.ValueType, message.TimeInvalid,
	}
)

// extract takes the texts of the fields out of j.text, which is a valid JSON object.
func (j *jsonRows) extract(r *row) error {
	if !utf8.Valid(j.text) {
		return wrong(message.InvalidUTF8, "the object is not valid UTF-8")
	}
	object := gjson.ParseBytes(j.text)
	for i, f := range j.fields {
		if f.constant {
			continue
		}
		value, err := find(object, f.name)
		switch {
		case err != nil:
			return err
		case !value.Exists() && !f.optional:
			return wrong(absent[i], "there is no field %q for the %s: set %s to one of %q",
				f.name, f.role, f.variable, names(object))
		case value.Type == gjson.String && message.HasHalfSurrogate(value.Raw):
			return wrong(message.InvalidUTF8, "%s has half of a surrogate pair (field %q)",
				f.role, f.name)
		case value.Type == gjson.String:
			r.texts[i] = strings.TrimSpace(value.Str)
		case value.Type == gjson.Number, value.IsBool() && (i == colorField || i == nameField):
			r.texts[i] = value.Raw
		case value.Type != gjson.Null:
			return wrong(mistyped[i], "%s %.40q is neither a string nor a number (field %q)",
				f.role, value.Raw, f.name)
		}
	}
	return nil
}

// find returns the value of an object's field, which does not exist if there is none. The name a.b
// means the field of this name, else the field b of the object a.
func find(object gjson.Result, name string) (value gjson.Result, err error) {
	object.ForEach(func(key, v gjson.Result) bool {
		if key.Str == name && value.Exists() {
			err = wrong(message.DuplicateField, "field %q stands twice", name)
		} else if key.Str == name {
			value = v
		}
		return err == nil
	})
	for i := 0; !value.Exists() && err == nil && i < len(name); i++ {
		if name[i] != '.' {
			continue
		}
		var outer gjson.Result
		if outer, err = find(object, name[:i]); outer.IsObject() {
			value, err = find(outer, name[i+1:])
		}
	}
	return value, err
}

func names(object gjson.Result) (list []string) {
	object.ForEach(func(key, _ gjson.Result) bool {
		list = append(list, key.Str)
		return true
	})
	return list
}
