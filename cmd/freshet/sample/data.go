package sample

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

func writeDates(w *writer) {
	w.header("Date", "Year", "Quarter", "Month No", "Month", "Week", "Weekday", "Is Weekend")
	for day := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() <= lastYear; day = day.AddDate(0, 0, 1) {
		_, week := day.ISOWeek()
		w.date(day)
		w.integer(int64(day.Year()))
		w.text("Q" + strconv.Itoa(int(day.Month()+2)/3))
		w.integer(int64(day.Month()))
		w.text(day.Month().String())
		w.integer(int64(week))
		w.text(day.Weekday().String())
		w.boolean(day.Weekday() == time.Saturday || day.Weekday() == time.Sunday)
		w.end()
	}
}

// category is a kind of goods with what its products are made of.
type category struct {
	name, subcategory string
	nouns             []string
}

var categories = [...]category{
	{"Kitchen", "Coffee & Tea", []string{"Kettle", "Café Press", "Tea Strainer", "Espresso Maker"}},
	{"Kitchen", "Cookware", []string{"Saucepan", "Frying Pan", "Wok", "Crêpe Pan"}},
	{"Home", "Lighting", []string{"Desk Lamp", "Floor Lamp", "Lampion", "Wall Light"}},
	{"Home", "Décor", []string{"Vase", "Picture Frame", "Candle Holder", "Clock"}},
	{"Outdoor", "Camping", []string{"Tent", "Sleeping Bag", "Lantern", "Camping Stove"}},
	{"Outdoor", "Cycling", []string{"Helmet", "Pump", "Pannier", "Rear Light"}},
}

func (g *generator) writeProducts(w *writer) {
	w.header("ProductKey", "SKU", "Product", "Category", "Subcategory", "Brand", "Color", "Weight", "List Price", "Cost", "Discontinued")
	r := random(12)
	for key := 1; key <= products; key++ {
		c := categories[r.below(len(categories))]
		name := r.one(c.nouns)
		switch r.below(4) {
		case 0:
			name += " " + strconv.Itoa(5*r.below(12)+10) + `"`
		case 1:
			name += ", set of " + strconv.Itoa(2+r.below(5))
		case 2:
			name += " “" + r.one([]string{"Ñandú", "Ærø", "Łódź", "Åre", "Río", "Jökull"}) + "”"
		}
		w.integer(int64(key))
		w.text(strings.ToUpper(c.name[:2]) + "-" + strconv.Itoa(10_000+key*7))
		w.text(name)
		w.text(c.name)
		w.text(c.subcategory)
		w.text(r.one([]string{"Nordlys", "Père & Fils", "Hausmann", "Oficina Ltda.", "Kowalski"}))
		w.text(r.one([]string{"Red", "Blue", "Green", "Black", "White", ""}))
		if r.below(9) == 0 {
			w.null()
		} else {
			w.fixed(int64(50+r.below(20_000)), 3)
		}
		w.fixed(g.prices[key-1], 2)
		w.fixed(g.prices[key-1]*int64(40+r.below(25)), 4)
		w.boolean(r.below(20) == 0)
		w.end()
	}
}

// place is a town that shops and customers are in.
type place struct{ town, country string }

var places = [...]place{
	{"São Paulo", "Brazil"}, {"Recife", "Brazil"}, {"Lisboa", "Portugal"}, {"Málaga", "Spain"}, {"Zürich", "Switzerland"}, {"Köln", "Germany"},
	{"Århus", "Denmark"}, {"Kraków", "Poland"}, {"Québec", "Canada"}, {"Lyon", "France"}, {"Graz", "Austria"}, {"横浜", "Japan"},
}

func (g *generator) writeStores(w *writer) {
	w.header("StoreKey", "Store", "City", "Country", "Open Date", "Close Date", "Square Meters", "Address")
	r := random(13)
	for key := 1; key <= stores; key++ {
		p := places[(key-1)%len(places)]
		name := p.town + " " + strconv.Itoa((key-1)/len(places)+1)
		if key == 1 {
			name = "Online"
		}
		w.integer(int64(key))
		w.text(name)
		w.text(p.town)
		w.text(p.country)
		w.date(time.Date(2005+r.below(18), time.Month(1+r.below(12)), 1+r.below(28), 0, 0, 0, 0, time.UTC))
		if key%11 == 0 {
			w.date(time.Date(lastYear, time.Month(1+r.below(12)), 28, 0, 0, 0, 0, time.UTC))
		} else {
			w.null()
		}
		if key == 1 {
			w.null()
			w.text("")
		} else {
			w.integer(int64(120 + 10*r.below(200)))
			w.text(strconv.Itoa(1+r.below(120)) + ", " + r.one([]string{"Rua Nova", "Hauptstraße", "Rue de l’Église", "Plaza Mayor"}) + "\n" + p.town)
		}
		w.end()
	}
}

func (g *generator) writeCustomers(w *writer) {
	first := []string{"Ana", "José", "Zoë", "Jürgen", "Łukasz", "Chloé", "Søren", "Marta", "João", "Inês", "Émile", "Yuki", "Ola", "Petra", "Iñaki", "Ruth"}
	last := []string{"Silva", "Gonçalves", "Müller", "Nowak", "Lefèvre", "Jensen", "Núñez", "Tanaka", "O’Neill", "Weiß", "Costa", "Fischer", "Dupont", "Sánchez"}
	w.header("CustomerKey", "Customer", "Email", "City", "Country", "Birthday", "Since", "Points")
	r := random(14)
	for key := 1; key <= g.customers; key++ {
		p := places[r.below(len(places))]
		w.integer(int64(key))
		w.text(r.one(last) + ", " + r.one(first))
		if r.below(6) == 0 {
			w.text("")
		} else {
			w.text("c" + strconv.Itoa(key) + "@example.org")
		}
		w.text(p.town)
		w.text(p.country)
		if r.below(5) == 0 {
			w.null()
		} else {
			w.date(time.Date(1940+r.below(66), time.Month(1+r.below(12)), 1+r.below(28), 0, 0, 0, 0, time.UTC))
		}
		w.date(time.Date(2010+r.below(15), time.Month(1+r.below(12)), 1+r.below(28), 0, 0, 0, 0, time.UTC))
		w.integer(int64(r.below(5000)))
		w.end()
	}
}

// writeSales writes the sales of a quarter in the order of their dates: orders of one to five lines, each line a row.
func (g *generator) writeSales(ctx context.Context, w *writer, index int, progress func(done, total int)) error {
	w.header("Order Number", "Line", "Order Date", "Delivery Date", "CustomerKey", "StoreKey", "ProductKey", "Quantity", "Unit Price", "Discount",
		"Net Amount", "Channel", "Note")
	q := g.quarters[index]
	notes := []string{"gift wrapped", "para o João, com cartão", "called: “after 6 pm”", "à livrer au n° 3", "bitte klingeln"}
	r := random(100 + index)
	var order, line, lines int64
	var customer, store int
	var day, delivery []byte
	for row := range q.rows {
		if row%20_000 == 0 {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("cannot finish the sample: %w", context.Cause(ctx))
			}
			progress(q.start+row, g.rows)
		}
		if line == lines {
			order, line, lines = order+1, 0, int64(1+r.below(5))
			date := q.first.AddDate(0, 0, row*q.days/q.rows)
			day = date.AppendFormat(day[:0], time.DateOnly)
			delivery = delivery[:0]
			store = 1 + min(r.below(stores), r.below(stores))
			if customer = 1 + r.below(g.customers); store != 1 && r.below(8) == 0 {
				customer = 0 // paid in cash, name not asked
			}
			if r.below(12) != 0 {
				delivery = date.AddDate(0, 0, r.below(10)).AppendFormat(delivery, time.DateOnly)
			}
		}
		line++
		product := min(r.below(products), r.below(products))
		quantity := int64(1 + min(r.below(9), r.below(9), r.below(9)))
		discount := int64(5 * max(0, r.below(8)-3))
		w.line = append(w.line, q.Name...)
		w.line = append(w.line, '-')
		w.integer(order)
		w.integer(line)
		w.line = append(append(w.line, day...), ',')
		w.line = append(append(w.line, delivery...), ',')
		if customer == 0 {
			w.null()
		} else {
			w.integer(int64(customer))
		}
		w.integer(int64(store))
		w.integer(int64(product + 1))
		w.integer(quantity)
		w.fixed(g.prices[product], 2)
		if discount == 0 {
			w.null()
		} else {
			w.fixed(discount, 2)
		}
		w.fixed(quantity*g.prices[product]*(100-discount), 4)
		if store == 1 {
			w.text("Web")
		} else {
			w.text("Shop")
		}
		if r.below(30) == 0 {
			w.text(notes[r.below(len(notes))])
		} else {
			w.text("")
		}
		w.end()
	}
	return nil
}
