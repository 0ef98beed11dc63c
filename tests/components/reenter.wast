;; SPDX-License-Identifier: Apache-2.0
;; Who may enter a component instance that runs already, or was left while it waits.

;; A parent calls its child, and is called by it, but siblings are apart.
(component definition $Family
  (core module $Counter
    (global $n (mut i32) (i32.const 0))
    (func (export "next") (result i32)
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (global.get $n)))
  (core instance $counter (instantiate $Counter))
  (func $next (result u32) (canon lift (core func $counter "next")))
  (component $Child
    (import "next" (func $next (result u32)))
    (core func $next' (canon lower (func $next)))
    (core module $M
      (import "" "next" (func $next (result i32)))
      (func (export "twice") (result i32) (drop (call $next)) (call $next)))
    (core instance $m (instantiate $M (with "" (instance (export "next" (func $next'))))))
    (func (export "twice") (result u32) (canon lift (core func $m "twice"))))
  (instance $child (instantiate $Child (with "next" (func $next))))
  (core func $twice (canon lower (func $child "twice")))
  (core module $M
    (import "" "twice" (func $twice (result i32)))
    (func (export "four") (result i32) (drop (call $twice)) (call $twice)))
  (core instance $m (instantiate $M (with "" (instance (export "twice" (func $twice))))))
  ;; parent to child to parent
  (func (export "four") (result u32) (canon lift (core func $m "four")))
  (export "twice" (func $child "twice")))
(component instance $family $Family)
(assert_return (invoke "four") (u32.const 4))
(assert_return (invoke "twice") (u32.const 6))

;; $A calls $B, which calls $A through a table of the root (definitions.py entering_set).
(component definition $Siblings
  (core module $Shared (table (export "table") 1 funcref))
  (core instance $shared (instantiate $Shared))
  (core module $Through
    (import "" "table" (table 1 funcref))
    (type $f (func (result i32)))
    (func (export "call") (result i32) (call_indirect (type $f) (i32.const 0))))
  (core instance $through (instantiate $Through (with "" (instance $shared))))
  (func $back (result u32) (canon lift (core func $through "call")))
  (component $B
    (import "back" (func $back (result u32)))
    (core func $back' (canon lower (func $back)))
    (core module $M
      (import "" "back" (func $back (result i32)))
      (func (export "plain") (result i32) (i32.const 5))
      (func (export "round") (result i32) (call $back)))
    (core instance $m (instantiate $M (with "" (instance (export "back" (func $back'))))))
    (func (export "plain") (result u32) (canon lift (core func $m "plain")))
    (func (export "round") (result u32) (canon lift (core func $m "round"))))
  (instance $b (instantiate $B (with "back" (func $back))))
  (component $A
    (import "plain" (func $plain (result u32)))
    (import "round" (func $round (result u32)))
    (core func $plain' (canon lower (func $plain)))
    (core func $round' (canon lower (func $round)))
    (core module $M
      (import "" "plain" (func $plain (result i32)))
      (import "" "round" (func $round (result i32)))
      (func (export "plain") (result i32) (call $plain))
      (func (export "round") (result i32) (call $round))
      (func (export "inner") (result i32) (i32.const 9)))
    (core instance $m (instantiate $M (with "" (instance
      (export "plain" (func $plain')) (export "round" (func $round'))))))
    (func (export "plain") (result u32) (canon lift (core func $m "plain")))
    (func (export "round") (result u32) (canon lift (core func $m "round")))
    (func (export "inner") (result u32) (canon lift (core func $m "inner"))))
  (instance $a (instantiate $A (with "plain" (func $b "plain")) (with "round" (func $b "round"))))
  ;; The root's slot holds $A's function: what is called through it enters $A.
  (core func $inner (canon lower (func $a "inner")))
  (core module $Fill
    (import "" "table" (table 1 funcref))
    (import "" "inner" (func $inner (result i32)))
    (elem (i32.const 0) func $inner))
  (core instance (instantiate $Fill (with "" (instance
    (export "table" (table $shared "table")) (export "inner" (func $inner))))))
  (export "plain" (func $a "plain"))
  (export "round" (func $a "round"))
  (export "round-of-b" (func $b "round")))
(component instance $one $Siblings)
(assert_return (invoke "plain") (u32.const 5))
(assert_return (invoke "round-of-b") (u32.const 9))
(assert_trap (invoke "round") "cannot enter component instance")
