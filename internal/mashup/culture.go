package mashup

import (
	"strings"
	"sync"
)

// culture is how a language and region write numbers, dates and times, by the names and patterns of .NET.
type culture struct {
	name           string
	decimal, group string
	currency       string
	currencyForm   string // where symbol and minus stand: "$n" or "n $"
	percentForm    string // "n%" or "n %"
	dateSep        string
	timeSep        string
	shortDate      string
	longDate       string
	shortTime      string
	longTime       string
	monthDay       string
	yearMonth      string
	am, pm         string
	days           [7]string
	shortDays      [7]string
	months         [12]string
	shortMonths    [12]string
	genitive       [12]string // empty: as months
	firstDay       int        // 0 is Sunday
	order          string     // of day, month and year in numbers: "MDY", "DMY" or "YMD"
}

// cultureOf finds a culture by its name, the evaluation's own for "".
func (ev *evaluation) cultureOf(name string) (*culture, error) {
	if name == "" {
		name = ev.session.env.Culture
	}
	if name == "" {
		name = "en-US"
	}
	return findCulture(name)
}

// culture is the culture of an optional argument: null, or its name.
func (ev *evaluation) culture(arg Value) (*culture, error) {
	switch arg := arg.(type) {
	case nullKind:
		return ev.cultureOf("")
	case text:
		return ev.cultureOf(string(arg))
	}
	return nil, cannotConvert(arg, "Text")
}

func findCulture(name string) (*culture, error) {
	for _, c := range cultures() {
		if strings.EqualFold(c.name, name) {
			return c, nil
		}
	}
	// A region that is not listed writes as its language's first region does, for what differs little within the language.
	language, _, _ := strings.Cut(strings.ToLower(name), "-")
	for _, c := range cultures() {
		if strings.EqualFold(c.name, language) {
			return c, nil
		}
	}
	f := fail("The culture '%s' isn't supported.", name)
	f.hint = "Freshet knows " + knownCultures()
	return nil, f
}

func knownCultures() string {
	var names []string
	for _, c := range cultures() {
		if strings.Contains(c.name, "-") {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ", ")
}

func words7(s string) (w [7]string) {
	copy(w[:], strings.Fields(s))
	return w
}

func words12(s string) (w [12]string) {
	copy(w[:], strings.Fields(s))
	return w
}

// cultures lists what is known; a language alone comes after its regions.
var cultures = sync.OnceValue(func() []*culture {
	english := culture{decimal: ".", group: ",", currency: "$", currencyForm: "$n", percentForm: "n%", dateSep: "/", timeSep: ":",
		shortDate: "M/d/yyyy", longDate: "dddd, MMMM d, yyyy", shortTime: "h:mm tt", longTime: "h:mm:ss tt", monthDay: "MMMM d",
		yearMonth: "MMMM yyyy", am: "AM", pm: "PM",
		days: words7("Sunday Monday Tuesday Wednesday Thursday Friday Saturday"), shortDays: words7("Sun Mon Tue Wed Thu Fri Sat"),
		months:      words12("January February March April May June July August September October November December"),
		shortMonths: words12("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")}
	invariant := english
	invariant.currency, invariant.percentForm = "¤", "n %"
	invariant.shortDate, invariant.longDate = "MM/dd/yyyy", "dddd, dd MMMM yyyy"
	invariant.shortTime, invariant.longTime = "HH:mm", "HH:mm:ss"
	invariant.monthDay, invariant.yearMonth = "MMMM dd", "yyyy MMMM"
	british := english
	british.currency = "£"
	british.shortDate, british.longDate, british.shortTime, british.longTime = "dd/MM/yyyy", "dd MMMM yyyy", "HH:mm", "HH:mm:ss"
	british.monthDay, british.firstDay = "d MMMM", 1
	german := culture{decimal: ",", group: ".", currency: "€", currencyForm: "n $", percentForm: "n %", dateSep: ".", timeSep: ":",
		shortDate: "dd.MM.yyyy", longDate: "dddd, d. MMMM yyyy", shortTime: "HH:mm", longTime: "HH:mm:ss", monthDay: "d. MMMM",
		yearMonth: "MMMM yyyy", firstDay: 1, days: words7("Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag"),
		shortDays:   words7("So Mo Di Mi Do Fr Sa"),
		months:      words12("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
		shortMonths: words12("Jan Feb Mrz Apr Mai Jun Jul Aug Sep Okt Nov Dez")}
	swiss := german
	swiss.decimal, swiss.group, swiss.currency, swiss.currencyForm, swiss.percentForm = ".", "'", "CHF", "$ n", "n%"
	french := culture{decimal: ",", group: "\u00a0", currency: "€", currencyForm: "n $", percentForm: "n %", dateSep: "/", timeSep: ":",
		shortDate: "dd/MM/yyyy", longDate: "dddd d MMMM yyyy", shortTime: "HH:mm", longTime: "HH:mm:ss", monthDay: "d MMMM",
		yearMonth: "MMMM yyyy", firstDay: 1, days: words7("dimanche lundi mardi mercredi jeudi vendredi samedi"),
		shortDays:   words7("dim. lun. mar. mer. jeu. ven. sam."),
		months:      words12("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
		shortMonths: words12("janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.")}
	italian := culture{decimal: ",", group: ".", currency: "€", currencyForm: "n $", percentForm: "n%", dateSep: "/", timeSep: ":",
		shortDate: "dd/MM/yyyy", longDate: "dddd d MMMM yyyy", shortTime: "HH:mm", longTime: "HH:mm:ss", monthDay: "d MMMM",
		yearMonth: "MMMM yyyy", firstDay: 1, days: words7("domenica lunedì martedì mercoledì giovedì venerdì sabato"),
		shortDays:   words7("dom lun mar mer gio ven sab"),
		months:      words12("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
		shortMonths: words12("gen feb mar apr mag giu lug ago set ott nov dic")}
	spanish := culture{decimal: ",", group: ".", currency: "€", currencyForm: "n $", percentForm: "n %", dateSep: "/", timeSep: ":",
		shortDate: "dd/MM/yyyy", longDate: "dddd, d 'de' MMMM 'de' yyyy", shortTime: "H:mm", longTime: "H:mm:ss",
		monthDay: "d 'de' MMMM", yearMonth: "MMMM 'de' yyyy", firstDay: 1,
		days: words7("domingo lunes martes miércoles jueves viernes sábado"), shortDays: words7("do. lu. ma. mi. ju. vi. sá."),
		months:      words12("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
		shortMonths: words12("ene. feb. mar. abr. may. jun. jul. ago. sep. oct. nov. dic.")}
	brazilian := culture{decimal: ",", group: ".", currency: "R$", currencyForm: "$ n", percentForm: "n%", dateSep: "/", timeSep: ":",
		shortDate: "dd/MM/yyyy", longDate: "dddd, d 'de' MMMM 'de' yyyy", shortTime: "HH:mm", longTime: "HH:mm:ss",
		monthDay: "d 'de' MMMM", yearMonth: "MMMM 'de' yyyy",
		days: words7("domingo segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado"), shortDays: words7("dom seg ter qua qui sex sáb"),
		months:      words12("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
		shortMonths: words12("jan fev mar abr mai jun jul ago set out nov dez")}
	portuguese := brazilian
	portuguese.group, portuguese.currency, portuguese.currencyForm = "\u00a0", "€", "n $"
	dutch := culture{decimal: ",", group: ".", currency: "€", currencyForm: "$ n", percentForm: "n%", dateSep: "-", timeSep: ":",
		shortDate: "d-M-yyyy", longDate: "dddd d MMMM yyyy", shortTime: "HH:mm", longTime: "HH:mm:ss", monthDay: "d MMMM",
		yearMonth: "MMMM yyyy", firstDay: 1, days: words7("zondag maandag dinsdag woensdag donderdag vrijdag zaterdag"),
		shortDays:   words7("zo ma di wo do vr za"),
		months:      words12("januari februari maart april mei juni juli augustus september oktober november december"),
		shortMonths: words12("jan feb mrt apr mei jun jul aug sep okt nov dec")}
	swedish := culture{decimal: ",", group: "\u00a0", currency: "kr", currencyForm: "n $", percentForm: "n %", dateSep: "-", timeSep: ":",
		shortDate: "yyyy-MM-dd", longDate: "'den 'd MMMM yyyy", shortTime: "HH:mm", longTime: "HH:mm:ss", monthDay: "'den 'd MMMM",
		yearMonth: "MMMM yyyy", firstDay: 1, days: words7("söndag måndag tisdag onsdag torsdag fredag lördag"),
		shortDays:   words7("sön mån tis ons tor fre lör"),
		months:      words12("januari februari mars april maj juni juli augusti september oktober november december"),
		shortMonths: words12("jan feb mar apr maj jun jul aug sep okt nov dec")}
	danish := culture{decimal: ",", group: ".", currency: "kr.", currencyForm: "n $", percentForm: "n %", dateSep: "-", timeSep: ":",
		shortDate: "dd-MM-yyyy", longDate: "d. MMMM yyyy", shortTime: "HH:mm", longTime: "HH:mm:ss", monthDay: "d. MMMM",
		yearMonth: "MMMM yyyy", firstDay: 1, days: words7("søndag mandag tirsdag onsdag torsdag fredag lørdag"),
		shortDays:   words7("sø ma ti on to fr lø"),
		months:      words12("januar februar marts april maj juni juli august september oktober november december"),
		shortMonths: words12("jan feb mar apr maj jun jul aug sep okt nov dec")}
	polish := culture{decimal: ",", group: "\u00a0", currency: "zł", currencyForm: "n $", percentForm: "n%", dateSep: ".", timeSep: ":",
		shortDate: "dd.MM.yyyy", longDate: "dddd, d MMMM yyyy", shortTime: "HH:mm", longTime: "HH:mm:ss", monthDay: "d MMMM",
		yearMonth: "MMMM yyyy", firstDay: 1, days: words7("niedziela poniedziałek wtorek środa czwartek piątek sobota"),
		shortDays:   words7("niedz. pon. wt. śr. czw. pt. sob."),
		months:      words12("styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień"),
		shortMonths: words12("sty lut mar kwi maj cze lip sie wrz paź lis gru"),
		genitive:    words12("stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia")}
	australian := english
	australian.shortDate, australian.firstDay = "d/MM/yyyy", 1
	canadian := english
	canadian.shortDate = "yyyy-MM-dd"
	indian := british
	indian.dateSep, indian.shortDate, indian.currency = "-", "dd-MM-yyyy", "₹"
	named := func(name string, c culture) *culture { c.name, c.order = name, orderOf(c.shortDate); return &c }
	return []*culture{
		named("", invariant), named("en-US", english), named("en-GB", british), named("en-IE", british), named("en-AU", australian),
		named("en-NZ", australian), named("en-CA", canadian), named("en-IN", indian), named("de-DE", german), named("de-AT", german),
		named("de-CH", swiss), named("fr-FR", french), named("fr-BE", french), named("it-IT", italian), named("es-ES", spanish),
		named("es-MX", spanishOfMexico(spanish)), named("pt-BR", brazilian), named("pt-PT", portuguese), named("nl-NL", dutch),
		named("sv-SE", swedish), named("da-DK", danish), named("pl-PL", polish),
		named("en", english), named("de", german), named("fr", french), named("it", italian), named("es", spanish), named("pt", brazilian),
		named("nl", dutch), named("sv", swedish), named("da", danish), named("pl", polish),
	}
})

func spanishOfMexico(c culture) culture {
	c.decimal, c.group, c.currency, c.currencyForm, c.percentForm, c.firstDay = ".", ",", "$", "$n", "n%", 0
	return c
}

// orderOf is the order of day, month and year in a pattern.
func orderOf(pattern string) string {
	var b strings.Builder
	for _, r := range pattern {
		part := map[rune]byte{'d': 'D', 'M': 'M', 'y': 'Y'}[r]
		if part != 0 && !strings.ContainsRune(b.String(), rune(part)) {
			b.WriteByte(part)
		}
	}
	return b.String()
}
