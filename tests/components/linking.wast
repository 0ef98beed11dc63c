;; SPDX-License-Identifier: Apache-2.0
;; Modules, components and instances as imports, exports, arguments and aliases.

;; A core module is imported, passed on twice, and each time instantiated anew.
(component
  (core module $Adder
    (import "env" "bias" (global $bias i32))
    (func (export "add") (param i32 i32) (result i32)
      (i32.add (global.get $bias) (i32.add (local.get 0) (local.get 1)))))
  (component $Inner
    (import "adder" (core module $Adder
      (import "env" "bias" (global i32))
      (export "add" (func (param i32 i32) (result i32)))))
    (import "bias" (core module $Bias (export "bias" (global i32))))
    (core instance $bias (instantiate $Bias))
    (core instance $adder (instantiate $Adder (with "env" (instance $bias))))
    (func (export "add") (param "a" u32) (param "b" u32) (result u32)
      (canon lift (core func $adder "add")))
    (export "adder" (core module $Adder)))
  (component $Middle
    (import "adder" (core module $Adder
      (import "env" "bias" (global i32))
      (export "add" (func (param i32 i32) (result i32)))))
    (alias outer 1 $Inner (component $Inner'))
    (core module $Ten (global (export "bias") i32 (i32.const 10)))
    (instance $inner (instantiate $Inner'
      (with "adder" (core module $Adder)) (with "bias" (core module $Ten))))
    (export "inner" (instance $inner)))
  (core module $Zero (global (export "bias") i32 (i32.const 0)) (func (export "unused")))
  (instance $first (instantiate $Inner
    (with "adder" (core module $Adder)) (with "bias" (core module $Zero))))
  (alias export $first "adder" (core module $Again))
  (instance $second (instantiate $Middle (with "adder" (core module $Again))))
  (alias export $second "inner" (instance $inner))
  (export "first" (func $first "add"))
  (export "second" (func $inner "add")))
(assert_return (invoke "first" (u32.const 2) (u32.const 3)) (u32.const 5))
(assert_return (invoke "second" (u32.const 2) (u32.const 3)) (u32.const 15))

;; A component as an argument, closed over what it was defined with.
(component
  (component $Maker
    (import "n" (component $N (export "n" (func (result u32)))))
    (instance $a (instantiate $N))
    (instance $b (instantiate $N))
    (export "a" (func $a "n"))
    (export "b" (func $b "n")))
  (component $Outer
    (core module $Five (func (export "n") (result i32) i32.const 5))
    (component $N
      (alias outer 1 $Five (core module $Five'))
      (core instance $i (instantiate $Five'))
      (func (export "n") (result u32) (canon lift (core func $i "n"))))
    (export "n" (component $N)))
  (instance $outer (instantiate $Outer))
  (instance $made (instantiate $Maker (with "n" (component $outer "n"))))
  (export "a" (func $made "a"))
  (export "b" (func $made "b")))
(assert_return (invoke "a") (u32.const 5))
(assert_return (invoke "b") (u32.const 5))

;; Virtualisation: the inner component's import is served by a wrapper around the same interface.
(component
  (component $Real
    (core module $M (func (export "get") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))
    (core instance $m (instantiate $M))
    (func $get (param "x" u32) (result u32) (canon lift (core func $m "get")))
    (instance $api (export "get" (func $get)))
    (export "test:x/api" (instance $api)))
  (component $Wrapper
    (import "test:x/api" (instance $api (export "get" (func (param "x" u32) (result u32)))))
    (core func $get (canon lower (func $api "get")))
    (core module $M
      (import "" "get" (func $get (param i32) (result i32)))
      (func (export "get") (param i32) (result i32)
        (i32.add (call $get (local.get 0)) (i32.const 1))))
    (core instance $m (instantiate $M (with "" (instance (export "get" (func $get))))))
    (func $outer (param "x" u32) (result u32) (canon lift (core func $m "get")))
    (instance $out (export "get" (func $outer)))
    (export "test:x/api" (instance $out)))
  (component $User
    (import "test:x/api" (instance $api (export "get" (func (param "x" u32) (result u32)))))
    (export "run" (func $api "get")))
  (instance $real (instantiate $Real))
  (instance $once (instantiate $Wrapper (with "test:x/api" (instance $real "test:x/api"))))
  (instance $twice (instantiate $Wrapper (with "test:x/api" (instance $once "test:x/api"))))
  (instance $user (instantiate $User (with "test:x/api" (instance $twice "test:x/api"))))
  (export "run" (func $user "run")))
(assert_return (invoke "run" (u32.const 20)) (u32.const 42))

;; Core instances shared between modules: memory, table, mutable global.
(component
  (core module $Lib
    (memory (export "memory") 1)
    (table (export "table") 4 funcref)
    (global (export "sp") (mut i32) (i32.const 100)))
  (core instance $lib (instantiate $Lib))
  (core module $A
    (import "lib" "memory" (memory 1))
    (import "lib" "table" (table 4 funcref))
    (import "lib" "sp" (global $sp (mut i32)))
    (func $f (result i32) (i32.load (global.get $sp)))
    (elem (i32.const 2) func $f)
    (func $start (i32.store (global.get $sp) (i32.const 77)))
    (start $start))
  (core module $B
    (import "lib" "table" (table 4 funcref))
    (type $f (func (result i32)))
    (func (export "call") (param i32) (result i32) (call_indirect (type $f) (local.get 0))))
  (core instance (instantiate $A (with "lib" (instance $lib))))
  (core instance $b (instantiate $B (with "lib" (instance $lib))))
  (func (export "call") (param "slot" u32) (result u32) (canon lift (core func $b "call"))))
(assert_return (invoke "call" (u32.const 2)) (u32.const 77))
(assert_trap (invoke "call" (u32.const 1)) "uninitialized element")
