;; SPDX-License-Identifier: Apache-2.0
;; Asynchronous calls between two components for bench/component: async lower to callback lift,
;; ready at once, and tasks that wait for ever.
(component
  (component $callee
    (core module $m
      (import "" "return" (func $return (param i32)))
      (import "" "set" (func $set (result i32)))
      (func (export "ready") (param i32) (result i32)
        (call $return (local.get 0))
        (i32.const 0)) ;; EXIT
      (func (export "park") (param i32) (result i32)
        (i32.or (i32.shl (call $set) (i32.const 4)) (i32.const 2))) ;; WAIT
      (func (export "callback") (param i32 i32 i32) (result i32) (unreachable)))
    (core func $return (canon task.return (result u32)))
    (core func $set (canon waitable-set.new))
    (core instance $i (instantiate $m (with "" (instance
      (export "return" (func $return))
      (export "set" (func $set))))))
    (func (export "ready") async (param "a" u32) (result u32)
      (canon lift (core func $i "ready") async (callback (core func $i "callback"))))
    (func (export "park") async (param "a" u32) (result u32)
      (canon lift (core func $i "park") async (callback (core func $i "callback")))))
  (instance $callee (instantiate $callee))

  (component $caller
    (import "callee" (instance $callee
      (export "ready" (func async (param "a" u32) (result u32)))
      (export "park" (func async (param "a" u32) (result u32)))))
    (core module $libc (memory (export "memory") 1))
    (core instance $libc (instantiate $libc))
    (core func $ready (canon lower (func $callee "ready") async (memory (core memory $libc "memory"))))
    (core func $park (canon lower (func $callee "park") async (memory (core memory $libc "memory"))))
    (core module $main
      (import "" "ready" (func $ready (param i32 i32) (result i32)))
      (import "" "park" (func $park (param i32 i32) (result i32)))
      (func (export "run-ready") (param $n i32) (param $size i32)
        (loop $next
          (if (i32.ne (call $ready (local.get $n) (i32.const 16)) (i32.const 2)) ;; RETURNED
            (then (unreachable)))
          (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
      (func (export "run-park") (param $n i32) (param $size i32)
        (loop $next
          (if (i32.ne (i32.and (call $park (local.get $n) (i32.const 16)) (i32.const 15))
                (i32.const 1)) ;; STARTED
            (then (unreachable)))
          (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
    (core instance $main (instantiate $main (with "" (instance
      (export "ready" (func $ready))
      (export "park" (func $park))))))
    (func (export "run-ready") (param "n" u32) (param "size" u32)
      (canon lift (core func $main "run-ready")))
    (func (export "run-park") (param "n" u32) (param "size" u32)
      (canon lift (core func $main "run-park"))))
  (instance $caller (instantiate $caller (with "callee" (instance $callee))))
  (export "run-ready" (func $caller "run-ready"))
  (export "run-park" (func $caller "run-park")))
