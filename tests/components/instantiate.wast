;; SPDX-License-Identifier: Apache-2.0
;; What making an instance does, in which order, and when it traps.

;; A module that nothing uses is instantiated all the same when it may trap.
(assert_trap
  (component
    (core module $M (memory 1) (data (i32.const 65535) "ab"))
    (core instance (instantiate $M)))
  "out of bounds memory access")
(assert_trap
  (component
    (core module $M (table 1 funcref) (func $f) (elem (i32.const 1) func $f))
    (core instance (instantiate $M)))
  "out of bounds table access")
(assert_trap
  (component
    (core module $M (import "" "at" (global i32)) (memory 1) (data (global.get 0) "a"))
    (core module $G (global (export "at") i32 (i32.const 65536)))
    (core instance $g (instantiate $G))
    (core instance (instantiate $M (with "" (instance $g)))))
  "out of bounds memory access")
(component
  (core module $M (memory 1) (data (i32.const 65534) "ab"))
  (core instance (instantiate $M)))
(assert_trap
  (component
    (core module $M (func $f unreachable) (start $f))
    (core instance (instantiate $M)))
  "`unreachable` instruction")

;; Core start functions run in the order of the definitions, across components.
(component
  (component $Log
    (core module $M
      (global $seen (mut i32) (i32.const 0))
      (func (export "put") (param i32)
        (global.set $seen (i32.add (i32.mul (global.get $seen) (i32.const 10)) (local.get 0))))
      (func (export "get") (result i32) (global.get $seen)))
    (core instance $m (instantiate $M))
    (func (export "put") (param "digit" u32) (canon lift (core func $m "put")))
    (func (export "get") (result u32) (canon lift (core func $m "get"))))
  (instance $log (instantiate $Log))
  (alias export $log "put" (func $put))
  (component $Starter
    (import "put" (func $put (param "digit" u32)))
    (core module $Digit (global (export "digit") (mut i32) (i32.const 1)))
    (core instance $digit (instantiate $Digit))
    (core func $put' (canon lower (func $put)))
    (core module $M
      (import "" "put" (func $put (param i32)))
      (import "" "digit" (global $digit (mut i32)))
      (func $start
        (call $put (global.get $digit))
        (global.set $digit (i32.add (global.get $digit) (i32.const 1))))
      (start $start))
    (core instance $imports
      (export "put" (func $put'))
      (export "digit" (global $digit "digit")))
    (core instance (instantiate $M (with "" (instance $imports))))
    (core instance (instantiate $M (with "" (instance $imports)))))
  (instance (instantiate $Starter (with "put" (func $put))))
  (core func $put' (canon lower (func $put)))
  (core module $Last
    (import "" "put" (func $put (param i32)))
    (func $start (call $put (i32.const 7)))
    (start $start))
  (core instance (instantiate $Last (with "" (instance (export "put" (func $put'))))))
  (instance (instantiate $Starter (with "put" (func $put))))
  (export "get" (func $log "get")))
(assert_return (invoke "get") (u32.const 12712))

;; Several memories, of which the second is that of the strings.
(component
  (core module $M
    (memory $a (export "a") 1)
    (memory $b (export "b") 1)
    (data (memory $a) (i32.const 0) "wrong")
    (data (memory $b) (i32.const 16) "right")
    (func (export "get") (result i32)
      (i32.store $b (i32.const 0) (i32.const 16))
      (i32.store $b (i32.const 4) (i32.const 5))
      (i32.const 0)))
  (core instance $m (instantiate $M))
  (func (export "get") (result string)
    (canon lift (core func $m "get") (memory (core memory $m "b")))))
(assert_return (invoke "get") (str.const "right"))

;; After a trap the whole tree is dead.
(component
  (core module $M
    (func (export "fine") (result i32) i32.const 1)
    (func (export "bad") unreachable))
  (core instance $m (instantiate $M))
  (func (export "fine") (result u32) (canon lift (core func $m "fine")))
  (func (export "bad") (canon lift (core func $m "bad"))))
(assert_return (invoke "fine") (u32.const 1))
(assert_trap (invoke "bad") "`unreachable` instruction")
(assert_trap (invoke "fine") "")

;; Instances of one definition are apart.
(component definition $Counter
  (core module $M
    (global $n (mut i32) (i32.const 0))
    (func (export "next") (result i32)
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (global.get $n)))
  (core instance $m (instantiate $M))
  (func (export "next") (result u32) (canon lift (core func $m "next"))))
(component instance $one $Counter)
(assert_return (invoke "next") (u32.const 1))
(assert_return (invoke "next") (u32.const 2))
(component instance $two $Counter)
(assert_return (invoke "next") (u32.const 1))
(assert_return (invoke $one "next") (u32.const 3))
