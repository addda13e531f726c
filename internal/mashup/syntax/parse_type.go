package syntax

// primitiveTypes are the types that are words.
var primitiveTypes = map[string]bool{"action": true, "any": true, "anynonnull": true, "binary": true, "date": true, "datetime": true,
	"datetimezone": true, "duration": true, "function": true, "list": true, "logical": true, "none": true, "null": true, "number": true,
	"record": true, "table": true, "text": true, "time": true, "type": true}

// primitive parses what follows as and is: a primitive type or nullable and one.
func (p *parser) primitive() (Expr, error) {
	at := p.tok.at
	if p.isWord("nullable") {
		if err := p.next(); err != nil {
			return nil, err
		}
		x, err := p.primitive()
		if err != nil {
			return nil, err
		}
		if _, twice := x.(*NullableType); twice {
			return nil, p.scan.fail(x.Pos(), "'nullable'", "a type")
		}
		return &NullableType{node{at}, x}, nil
	}
	if p.tok.kind != tokIdent && p.tok.kind != tokKeyword || !primitiveTypes[p.tok.text] {
		return nil, p.unexpected("a primitive type such as text, number or table")
	}
	name := p.tok.text
	return &PrimitiveType{node{at}, name}, p.next()
}

// typeExpression parses from the word type on.
func (p *parser) typeExpression() (Expr, error) {
	at := p.tok.at
	if err := p.next(); err != nil {
		return nil, err
	}
	if !p.startsType() {
		return &Type{node{at}, &PrimitiveType{node{at}, "type"}}, nil
	}
	of, err := p.typ()
	return &Type{node{at}, of}, err
}

// startsType tells whether a type can start at the current token.
func (p *parser) startsType() bool {
	switch p.tok.kind {
	case tokIdent, tokQuoted:
		return true
	case tokKeyword:
		return p.tok.text == "null" || p.tok.text == "type"
	case tokSymbol:
		return p.tok.text == "{" || p.tok.text == "[" || p.tok.text == "(" || p.tok.text == "@"
	}
	return false
}

// typ parses a type where the language is in its type context: words are types there, and other expressions must give one.
func (p *parser) typ() (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	at := p.tok.at
	switch {
	case p.isWord("nullable"):
		if err := p.next(); err != nil {
			return nil, err
		}
		x, err := p.typ()
		return &NullableType{node{at}, x}, err
	case p.isWord("table"):
		if err := p.next(); err != nil {
			return nil, err
		}
		switch {
		case p.isSymbol("["):
			row, err := p.recordType()
			return &TableType{node{at}, row}, err
		case p.tok.kind == tokIdent, p.tok.kind == tokQuoted, p.isSymbol("("), p.isSymbol("@"):
			row, err := p.primary()
			return &TableType{node{at}, row}, err
		}
		return &PrimitiveType{node{at}, "table"}, nil
	case p.isWord("function"):
		if err := p.next(); err != nil {
			return nil, err
		}
		if !p.isSymbol("(") {
			return &PrimitiveType{node{at}, "function"}, nil
		}
		return p.functionType(at)
	case p.isKeyword("type"):
		return p.typeExpression()
	case p.isSymbol("{"):
		if err := p.next(); err != nil {
			return nil, err
		}
		item, err := p.typ()
		if err != nil {
			return nil, err
		}
		return &ListType{node{at}, item}, p.symbol("}")
	case p.isSymbol("["):
		return p.recordType()
	case (p.tok.kind == tokIdent || p.tok.kind == tokKeyword) && primitiveTypes[p.tok.text]:
		name := p.tok.text
		return &PrimitiveType{node{at}, name}, p.next()
	}
	if !p.startsType() {
		return nil, p.unexpected("a type")
	}
	return p.primary()
}

func (p *parser) recordType() (Expr, error) {
	rec := &RecordType{node: node{p.tok.at}}
	if err := p.next(); err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	for !p.isSymbol("]") {
		if len(rec.Fields) > 0 {
			if !p.isSymbol(",") {
				return nil, p.unexpected("',' or ']'")
			}
			if err := p.next(); err != nil {
				return nil, err
			}
		}
		if p.isSymbol("...") {
			rec.Open = true
			if err := p.next(); err != nil {
				return nil, err
			}
			if !p.isSymbol("]") {
				return nil, p.unexpected("']'")
			}
			break
		}
		quoted := p.tok.kind == tokQuoted
		name, at, err := p.fieldName()
		if err != nil {
			return nil, err
		}
		field := FieldType{At: at, Name: name}
		if !quoted {
			field.Name, field.Optional = splitOptional(name)
			if name == "optional" && p.tok.kind == tokQuoted {
				field.Optional = true
				if field.Name, _, err = p.fieldName(); err != nil {
					return nil, err
				}
			}
		}
		if taken[field.Name] {
			return nil, p.scan.fail(at, "a second '"+field.Name+"'", "a name that is not taken yet")
		}
		taken[field.Name] = true
		if p.isSymbol("=") {
			if err := p.next(); err != nil {
				return nil, err
			}
			if field.Type, err = p.typ(); err != nil {
				return nil, err
			}
		}
		rec.Fields = append(rec.Fields, field)
	}
	return rec, p.next()
}

// functionType parses (a as type, optional b as type) as type.
func (p *parser) functionType(at Pos) (*FunctionType, error) {
	f := &FunctionType{node: node{at}}
	if err := p.symbol("("); err != nil {
		return nil, err
	}
	for !p.isSymbol(")") {
		if len(f.Params) > 0 {
			if !p.isSymbol(",") {
				return nil, p.unexpected("',' or ')'")
			}
			if err := p.next(); err != nil {
				return nil, err
			}
		}
		param := Param{At: p.tok.at}
		name, err := p.parameterName()
		if err != nil {
			return nil, err
		}
		if name == "optional" && (p.tok.kind == tokIdent || p.tok.kind == tokQuoted || p.isKeyword("type")) {
			param.Optional, param.At = true, p.tok.at
			if name, err = p.parameterName(); err != nil {
				return nil, err
			}
		} else if n := len(f.Params); n > 0 && f.Params[n-1].Optional {
			return nil, p.scan.fail(param.At, "'"+name+"'", "'optional', as the parameter before is optional")
		}
		param.Name = name
		if p.isKeyword("as") {
			if err := p.next(); err != nil {
				return nil, err
			}
			if param.Type, err = p.typ(); err != nil {
				return nil, err
			}
		}
		f.Params = append(f.Params, param)
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.isKeyword("as") {
		if err := p.next(); err != nil {
			return nil, err
		}
		typ, err := p.typ()
		if err != nil {
			return nil, err
		}
		f.Return = typ
	}
	return f, nil
}

// parameterName reads the name of a function type's parameter, which the library also calls type.
func (p *parser) parameterName() (string, error) {
	if p.isKeyword("type") {
		return "type", p.next()
	}
	return p.identifier()
}
