eval
Date.From("12/31/2020")
----
#date(2020, 12, 31)

eval
Date.From("31/12/2020")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't parse the input provided as a Date value. Details: "31/12/2020"

eval culture=en-GB
Date.From("31/12/2020")
----
#date(2020, 12, 31)

eval culture=de-DE
Date.From("31.12.2020")
----
#date(2020, 12, 31)

eval culture=de-DE
Date.From("1. Februar 2020")
----
#date(2020, 2, 1)

eval culture=pt-BR
Date.From("31/12/2020")
----
#date(2020, 12, 31)

eval culture=pt-BR
Date.From("12 de janeiro de 2020")
----
#date(2020, 1, 12)

eval culture=de-DE
Date.From("2020-12-31")
----
#date(2020, 12, 31)

eval
Date.From("2/3/20")
----
#date(2020, 2, 3)

eval
Date.From("2/3/30")
----
#date(1930, 2, 3)

eval
Date.From("Dec 5, 2020")
----
#date(2020, 12, 5)

eval
Date.From("Thursday, December 31, 2020")
----
#date(2020, 12, 31)

eval
Date.From("2020-02-30")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't parse the input provided as a Date value. Details: "2020-02-30"

eval
Date.From("12/31/2020 10:00")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't parse the input provided as a Date value. Details: "12/31/2020 10:00"

eval
Date.From("abc")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't parse the input provided as a Date value. Details: "abc"

eval
Date.From("")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't parse the input provided as a Date value. Details: ""

eval
Date.From("20201231")
----
#date(2020, 12, 31)

eval
Date.FromText("31.12.20", [Format="dd.MM.yy"])
----
#date(2020, 12, 31)

eval
Date.FromText("2020-12-31", [Format="dd.MM.yy"])
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't parse the input provided as a Date value. Details: "2020-12-31"

eval
Date.FromText("Mrz 2020", [Format="MMM yyyy", Culture="de-DE"])
----
#date(2020, 3, 1)

eval
DateTime.From("12/31/2020 1:05 PM")
----
#datetime(2020, 12, 31, 13, 5, 0)

eval
DateTime.From("2020-12-31T23:59:59.1234567")
----
#datetime(2020, 12, 31, 23, 59, 59.1234567)

eval
DateTime.From("2020-12-31T12:00:00Z")
----
#datetime(2020, 12, 31, 13, 0, 0)

eval
DateTime.From(44196.75)
----
#datetime(2020, 12, 31, 18, 0, 0)

eval culture=de-DE
DateTime.From("31.12.2020 13:05:06")
----
#datetime(2020, 12, 31, 13, 5, 6)

eval
DateTimeZone.From("2020-12-31T12:00:00+02:00")
----
#datetimezone(2020, 12, 31, 12, 0, 0, 2, 0)

eval
Time.From("1:05:06 PM")
----
#time(13, 5, 6)

eval
Time.From("13:05")
----
#time(13, 5, 0)

# time-fromtext.md, example 3
eval
Time.From("10")
----
#time(10, 0, 0)

eval
Time.From("25")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't parse the input provided as a Time value. Details: "25"

eval
Time.From("25:00")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't parse the input provided as a Time value. Details: "25:00"

eval
Duration.From("1.02:03:04.5")
----
#duration(1, 2, 3, 4.5)

eval
Duration.From(1.5)
----
#duration(1, 12, 0, 0)

eval
Duration.From("25:00")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't parse the input provided as a Duration value. Details: "25:00"

eval
#duration(0,0,90,0)
----
#duration(0, 1, 30, 0)

eval
Date.ToText(#date(2020,12,31))
----
"12/31/2020"

eval
Date.ToText(#date(2020,12,31), "yyyy-MM-dd")
----
"2020-12-31"

eval
Date.ToText(#date(2020,1,5), "dddd, d. MMM yy", "de-DE")
----
"Sonntag, 5. Jan 20"

eval
Date.ToText(#date(2020,1,5), [Format="D", Culture="pt-BR"])
----
"domingo, 5 de janeiro de 2020"

eval
Date.ToText(#date(2020,1,5), "MMMM", "fr-FR")
----
"janvier"

eval
DateTime.ToText(#datetime(2020,1,5,13,4,5), "hh:mm tt")
----
"01:04 PM"

eval
DateTime.ToText(#datetime(2020,1,5,13,4,5.25), "s")
----
"2020-01-05T13:04:05"

eval
DateTime.ToText(#datetime(2020,1,5,13,4,5.25), "HH:mm:ss.fff")
----
"13:04:05.250"

eval culture=de-DE
Text.From(#datetime(2020,1,5,13,4,5))
----
"05.01.2020 13:04:05"

eval culture=pt-BR
Text.From(#date(2020,1,5))
----
"05/01/2020"

eval
Text.From(#datetimezone(2020,1,5,13,4,5,2,0))
----
"1/5/2020 1:04:05 PM +02:00"

eval
Date.AddMonths(#date(2020,1,31), 1)
----
#date(2020, 2, 29)

eval
Date.AddMonths(#date(2020,1,31), -2)
----
#date(2019, 11, 30)

eval
Date.AddYears(#date(2020,2,29), 1)
----
#date(2021, 2, 28)

eval
Date.AddYears(#date(9999,1,1), 1)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The date and time operation failed because the resulting value falls outside the range of allowed values

eval
Date.AddDays(null, 1)
----
null

eval
Date.EndOfMonth(#date(2020,2,10))
----
#date(2020, 2, 29)

eval
Date.EndOfMonth(#datetime(2020,2,10,1,2,3))
----
#datetime(2020, 2, 29, 23, 59, 59.9999999)

eval
Date.StartOfWeek(#date(2020,1,5))
----
#date(2020, 1, 5)

eval
Date.StartOfWeek(#date(2020,1,5), Day.Monday)
----
#date(2019, 12, 30)

eval culture=de-DE
Date.StartOfWeek(#date(2020,1,5))
----
#date(2019, 12, 30)

eval
Date.DayOfWeek(#date(2020,1,5), Day.Monday)
----
6

eval
Date.WeekOfYear(#date(2020,12,31))
----
53

eval
Date.WeekOfMonth(#date(2020,1,5))
----
2

eval
Date.DayOfYear(#date(2020,12,31))
----
366

eval
Date.IsLeapYear(#date(1900,1,1))
----
false

eval
Date.QuarterOfYear(#date(2020,5,1))
----
2

eval
Date.Year("x")
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] We cannot convert the value "x" to type Date

eval
Date.IsInCurrentMonth(#date(2026,3,1))
----
true

eval
Date.IsInPreviousMonth(#date(2026,2,28))
----
true

eval
Date.IsInPreviousNDays(#date(2026,3,11), 3)
----
true

eval
Date.IsInPreviousNDays(#date(2026,3,10), 3)
----
false

eval
Date.IsInNextNMonths(#date(2026,6,30), 3)
----
true

eval
Date.IsInYearToDate(#date(2026,3,15))
----
false

eval
DateTime.LocalNow()
----
#datetime(2026, 3, 14, 9, 26, 53)

eval
DateTimeZone.UtcNow()
----
#datetimezone(2026, 3, 14, 8, 26, 53, 0, 0)

eval
DateTime.Date(DateTimeZone.SwitchZone(#datetimezone(2020,1,1,0,30,0,1,0), 0))
----
#date(2019, 12, 31)

eval
Duration.TotalDays(#datetime(2020,1,2,12,0,0) - #datetime(2020,1,1,0,0,0))
----
1.5

eval
#time(23,0,0) + #duration(0,2,0,0)
----
#time(1, 0, 0)

eval
#time(24,0,0)
----
#time(24, 0, 0)

eval
Time.Hour(#datetime(2020,1,1,5,0,0))
----
5

eval
List.Dates(#date(2020,2,28), 3, #duration(1,0,0,0))
----
{#date(2020, 2, 28), #date(2020, 2, 29), #date(2020, 3, 1)}

eval
Date.MonthName(#date(2020,3,1), "de-DE")
----
"März"

eval
Date.DayOfWeekName(#date(2020,3,1), "pt-BR")
----
"domingo"

eval
Date.From("1/1/2020", "xx-XX")
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The culture 'xx-XX' isn't supported. Freshet knows en-US, en-GB, en-IE, en-AU, en-NZ, en-CA, en-IN, de-DE, de-AT, de-CH, fr-FR, fr-BE, it-IT, es-ES, es-MX, pt-BR, pt-PT, nl-NL, sv-SE, da-DK, pl-PL
