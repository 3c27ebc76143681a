;; Inner loops of the fold, for the float dtypes: no relaxed SIMD and no fused multiply-add, so that the plain JavaScript
;; expression gives the same bits (js-kernel.ts). Callers round $end up to whole blocks of 16 input bytes, zero the bytes in
;; between, and keep accumulator room for them; hence no loop has a tail.
;; Memory (kernel-memory.ts): 8 MiB of f64 accumulator, 1 MiB of input, 1 MiB of output.
(module
  (memory (export "memory") 160 160)

  ;; acc += w * v
  (func (export "add_f64") (param $acc i32) (param $in i32) (param $end i32) (param $w f64)
    (loop $next
      (if (i32.lt_u (local.get $in) (local.get $end)) (then
        (call $accumulate (local.get $acc) (local.get $w) (v128.load (local.get $in)))
        (local.set $acc (i32.add (local.get $acc) (i32.const 16)))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (br $next)))))

  (func (export "add_f32") (param $acc i32) (param $in i32) (param $end i32) (param $w f64)
    (local $v v128)
    (loop $next
      (if (i32.lt_u (local.get $in) (local.get $end)) (then
        (call $accumulate4 (local.get $acc) (local.get $w) (v128.load (local.get $in)))
        (local.set $acc (i32.add (local.get $acc) (i32.const 32)))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (br $next)))))

  ;; bfloat16 is the upper half of a float32
  (func (export "add_bf16") (param $acc i32) (param $in i32) (param $end i32) (param $w f64)
    (loop $next
      (if (i32.lt_u (local.get $in) (local.get $end)) (then
        (call $accumulate4 (local.get $acc) (local.get $w)
          (i32x4.shl (v128.load16x4_u (local.get $in)) (i32.const 16)))
        (local.set $acc (i32.add (local.get $acc) (i32.const 32)))
        (local.set $in (i32.add (local.get $in) (i32.const 8)))
        (br $next)))))

  ;; float16: its exponent and mantissa, moved to a float32's place, are the value times 2^-112 (exact, subnormals too);
  ;; an exponent of all ones stays one.
  (func (export "add_f16") (param $acc i32) (param $in i32) (param $end i32) (param $w f64)
    (local $h v128) (local $abs v128)
    (loop $next
      (if (i32.lt_u (local.get $in) (local.get $end)) (then
        (local.set $h (v128.load16x4_u (local.get $in)))
        (local.set $abs
          (i32x4.shl
            (v128.and (local.get $h) (v128.const i32x4 0x7fff 0x7fff 0x7fff 0x7fff))
            (i32.const 13)))
        (call $accumulate4 (local.get $acc) (local.get $w)
          (v128.or
            (i32x4.shl
              (v128.and (local.get $h) (v128.const i32x4 0x8000 0x8000 0x8000 0x8000))
              (i32.const 16))
            (v128.or
              (f32x4.mul (local.get $abs) (v128.const f32x4 0x1p112 0x1p112 0x1p112 0x1p112))
              (v128.and
                (i32x4.ge_u (local.get $abs)
                  (v128.const i32x4 0x0f800000 0x0f800000 0x0f800000 0x0f800000))
                (v128.const i32x4 0x7f800000 0x7f800000 0x7f800000 0x7f800000)))))
        (local.set $acc (i32.add (local.get $acc) (i32.const 32)))
        (local.set $in (i32.add (local.get $in) (i32.const 8)))
        (br $next)))))

  (func $accumulate (param $acc i32) (param $w f64) (param $v v128)
    (v128.store (local.get $acc)
      (f64x2.add
        (v128.load (local.get $acc))
        (f64x2.mul (f64x2.splat (local.get $w)) (local.get $v)))))

  ;; four float32
  (func $accumulate4 (param $acc i32) (param $w f64) (param $v v128)
    (call $accumulate (local.get $acc) (local.get $w) (f64x2.promote_low_f32x4 (local.get $v)))
    (call $accumulate (i32.add (local.get $acc) (i32.const 16)) (local.get $w)
      (f64x2.promote_low_f32x4
        (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15
          (local.get $v) (local.get $v)))))

  ;; acc /= d
  (func (export "divide") (param $acc i32) (param $end i32) (param $d f64)
    (loop $next
      (if (i32.lt_u (local.get $acc) (local.get $end)) (then
        (v128.store (local.get $acc)
          (f64x2.div (v128.load (local.get $acc)) (f64x2.splat (local.get $d))))
        (local.set $acc (i32.add (local.get $acc) (i32.const 16)))
        (br $next)))))

  ;; out = acc, rounded to float32
  (func (export "narrow_f32") (param $acc i32) (param $out i32) (param $end i32)
    (loop $next
      (if (i32.lt_u (local.get $out) (local.get $end)) (then
        (v128.store64_lane 0 (local.get $out)
          (f32x4.demote_f64x2_zero (v128.load (local.get $acc))))
        (local.set $acc (i32.add (local.get $acc) (i32.const 16)))
        (local.set $out (i32.add (local.get $out) (i32.const 8)))
        (br $next)))))

  ;; out = acc, rounded once to a 16-bit float of $m mantissa bits and exponents $low to -$low + 1: the value in units of
  ;; its last place is rounded to an integer, and adding that to the exponent carries by itself, up to infinity.
  (func (export "narrow_16") (param $acc i32) (param $out i32) (param $end i32) (param $m i32) (param $low i32)
    (local $bits i64) (local $e i32) (local $abs f64) (local $to i32)
    (loop $next
      (if (i32.lt_u (local.get $out) (local.get $end)) (then
        (local.set $bits (i64.load (local.get $acc)))
        (local.set $abs (f64.abs (f64.load (local.get $acc))))
        (local.set $e (i32.sub
          (i32.and (i32.wrap_i64 (i64.shr_u (local.get $bits) (i64.const 52))) (i32.const 0x7ff))
          (i32.const 1023)))
        (if (i32.lt_s (local.get $e) (local.get $low)) (then (local.set $e (local.get $low))))
        (if (i32.le_s (local.get $e) (i32.sub (i32.const 1) (local.get $low)))
          (then
            (local.set $to (i32.add
              (i32.shl (i32.sub (local.get $e) (local.get $low)) (local.get $m))
              (i32.trunc_sat_f64_u (f64.nearest (f64.mul (local.get $abs)
                (f64.reinterpret_i64 (i64.shl
                  (i64.extend_i32_s (i32.add (i32.const 1023) (i32.sub (local.get $m) (local.get $e))))
                  (i64.const 52)))))))))
          (else ;; infinity; a NaN gets the quiet bit
            (local.set $to (i32.add
              (i32.shl (i32.sub (i32.const 3) (i32.mul (local.get $low) (i32.const 2))) (local.get $m))
              (i32.shl (f64.ne (local.get $abs) (local.get $abs))
                (i32.sub (local.get $m) (i32.const 1)))))))
        (i32.store16 (local.get $out) (i32.or (local.get $to)
          (i32.and (i32.wrap_i64 (i64.shr_u (local.get $bits) (i64.const 48))) (i32.const 0x8000))))
        (local.set $acc (i32.add (local.get $acc) (i32.const 8)))
        (local.set $out (i32.add (local.get $out) (i32.const 2)))
        (br $next)))))

  ;; Address of the first element whose exponent is all ones, or -1.
  (func (export "non_finite_f64") (param $in i32) (param $end i32) (result i32)
    (local $mask v128) (local $hits i32)
    (local.set $mask (v128.const i64x2 0x7ff0000000000000 0x7ff0000000000000))
    (loop $next
      (if (i32.lt_u (local.get $in) (local.get $end)) (then
        (local.set $hits (i64x2.bitmask (i64x2.eq (local.get $mask)
          (v128.and (local.get $mask) (v128.load (local.get $in))))))
        (if (local.get $hits) (then
          (return (i32.add (local.get $in) (i32.mul (i32.const 8) (i32.ctz (local.get $hits)))))))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (br $next))))
    (i32.const -1))

  (func (export "non_finite_f32") (param $in i32) (param $end i32) (result i32)
    (local $mask v128) (local $hits i32)
    (local.set $mask (v128.const i32x4 0x7f800000 0x7f800000 0x7f800000 0x7f800000))
    (loop $next
      (if (i32.lt_u (local.get $in) (local.get $end)) (then
        (local.set $hits (i32x4.bitmask (i32x4.eq (local.get $mask)
          (v128.and (local.get $mask) (v128.load (local.get $in))))))
        (if (local.get $hits) (then
          (return (i32.add (local.get $in) (i32.mul (i32.const 4) (i32.ctz (local.get $hits)))))))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (br $next))))
    (i32.const -1))

  (func (export "non_finite_16") (param $in i32) (param $end i32) (param $exponent i32) (result i32)
    (local $mask v128) (local $hits i32)
    (local.set $mask (i16x8.splat (local.get $exponent)))
    (loop $next
      (if (i32.lt_u (local.get $in) (local.get $end)) (then
        (local.set $hits (i16x8.bitmask (i16x8.eq (local.get $mask)
          (v128.and (local.get $mask) (v128.load (local.get $in))))))
        (if (local.get $hits) (then
          (return (i32.add (local.get $in) (i32.mul (i32.const 2) (i32.ctz (local.get $hits)))))))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (br $next))))
    (i32.const -1)))
