package xep0215

import (
	"encoding/xml"
	"slices"

	"extdisco/internal/xmltext"
)

// Field is one field of the extended information about a service, which is a data
// form of type result (XEP-0215 §3.4, XEP-0004). A form that follows a registered
// protocol begins with the field FORM_TYPE of type hidden (XEP-0068).
type Field struct {
	Var    string
	Type   string // of the field, such as "text-single"; may be empty
	Label  string // for people; may be empty
	Values []string
}

func (f Field) equal(other Field) bool {
	return f.Var == other.Var && f.Type == other.Type && f.Label == other.Label && slices.Equal(f.Values, other.Values)
}

const nsDataForm = "jabber:x:data"

// appendInfo appends the data form that holds the fields.
func appendInfo(dst []byte, fields []Field) []byte {
	dst = append(dst, "<x xmlns='"+nsDataForm+"' type='result'>"...)
	for _, f := range fields {
		dst = append(dst, "<field var='"...)
		dst = xmltext.AppendAttr(dst, f.Var)
		dst = appendOptional(dst, "type", f.Type)
		dst = appendOptional(dst, "label", f.Label)
		dst = append(dst, "'>"...)
		for _, v := range f.Values {
			dst = append(dst, "<value>"...)
			dst = xmltext.AppendText(dst, v)
			dst = append(dst, "</value>"...)
		}
		dst = append(dst, "</field>"...)
	}
	return append(dst, "</x>"...)
}

// readInfo reads the fields of a data form.
func readInfo(d *xml.Decoder, start xml.StartElement) ([]Field, error) {
	var form struct {
		Fields []struct {
			Var    string   `xml:"var,attr"`
			Type   string   `xml:"type,attr"`
			Label  string   `xml:"label,attr"`
			Values []string `xml:"value"`
		} `xml:"jabber:x:data field"`
	}
	if err := d.DecodeElement(&form, &start); err != nil {
		return nil, err
	}
	var fields []Field
	for _, f := range form.Fields {
		fields = append(fields, Field(f))
	}
	return fields, nil
}
