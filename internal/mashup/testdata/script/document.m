define A
1 + B
----

define B
Number.From("41")
----

define Recursive
(n) => if n = 0 then 0 else 1 + @Recursive(n - 1)
----

define C1
C2 + 1
----

define C2
let x = C3 in x
----

define C3
C1
----

define Broken
let x = in x
----

define Wrong
1 + Nothing.Known(2)
----

eval
A
----
42

eval
Section1!A
----
42

eval
Recursive(5000)
----
5000

eval
Recursive(1000000)
----
cannot evaluate 'Recursive', line 1, column 33: [Expression.Error] Evaluation resulted in a stack overflow and cannot continue

eval
C1
----
cannot evaluate 'C3', line 1, column 1: [Expression.Error] A cyclic reference was encountered during evaluation: C1 → C2 → C3 → C1

eval
B + Broken
----
cannot read 'Broken', line 1, column 9: found 'in' where an expression is expected

eval
B
----
41

eval
Wrong
----
cannot evaluate 'Wrong', line 1, column 5: [Expression.Error] The name 'Nothing.Known' wasn't recognized. Make sure it's spelled correctly

eval
(try A + "x")[HasError]
----
true

eval
#sections[Section1][A]
----
42

eval
#shared[B]
----
41

eval
Record.HasFields(#shared, {"A", "Text.From"})
----
true

eval
let f = (x) => @f(x) in f(1)
----
cannot evaluate the expression, line 1, column 16: [Expression.Error] Evaluation resulted in a stack overflow and cannot continue

eval
Broke
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The name 'Broke' wasn't recognized. Make sure it's spelled correctly. The nearest known name is 'Broken'
