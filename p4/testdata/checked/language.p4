// SPDX-License-Identifier: Apache-2.0 OR MIT
// An architecture of its own, and the constructs of the language that no built-in architecture needs.
#include <core.p4>

@pkginfo(name = "language", version = "1")
@structured[1, "two", true]
@keyed[a = 1, b = "two"]
const bit<32> ONE = 1;

const bit<2 + 6> EIGHT_WIDE = 0xff;
const bit<(ONE == 1 ? 4 : 8)> CHOSEN_WIDTH = 15;
const int BIG = 1 << 100;
const string GREETING = "one" ++ " two";
const bool IS_ONE = static_assert(ONE == 1, "one is one");

@pragma free text that nobody reads: 1 2 3
struct Inner { bit<8> low; bit<8> high; }
typedef Inner Inner_t;
enum Color { red, green, blue }
enum bit<8> Kind { none = 0, some = 1, more = some + 1 }
type bit<9> Port_t;

header Stacked { bit<8> tag; }
header Generic<T> { T value; bit<8> rest; }
header Sized { bit<8> size; varbit<64> data; }
header_union Either { Stacked left; Sized right; }

struct Headers {
    Stacked[4] stack;
    Either[2] either;
    Generic<bit<16>> generic;
    Sized sized;
    Inner_t inner;
}

struct Pair<A, B> { A first; B second; }

extern Cell<T> {
    Cell(T first);
    T get();
    void set(in T value, @optional in bit<8> hint);
    abstract T change(in T old);
}

extern Plain<T> {
    Plain();
    Plain(bit<32> size);
    T take(in bit<32> index);
}

extern void send<T>(in T data);
extern void send<T>(in T data, in Port_t port);
@pure extern bit<16> digest_of<T>(in T data);

parser Source<H>(packet_in packet, out H headers, in Port_t port);
control Middle<H>(inout H headers, in Port_t port);
control Nothing<H>(inout H headers, in Port_t port) { apply {} }
package Machine<H>(Source<H> source, Middle<H> middle = Nothing<H>(), @optional Middle<H> last);

T larger<T>(in T left, in T right, in bool first) {
    if (first) {
        return left;
    } else {
        return right;
    }
}

bit<32> sum_of(in bit<32> last) {
    bit<32> sum = 0;
    for (bit<32> step in 0 .. last) {
        if (step == 7) { continue; }
        if (sum > 1000) { break; }
        sum += step;
    }
    for (bit<32> again = 0, bit<32> other = 1; again < 3; again = again + 1, other = other * 2) {
        sum |= other;
    }
    return sum;
}

parser Tags(packet_in packet, inout Stacked[4] stack)(bit<8> end) {
    state start {
        packet.extract(stack.next);
        transition select(stack.last.tag, stack.lastIndex) {
            (0 &&& 0x80, _): start;
            (1 .. 9, 2): more;
            (end, default): accept;
        }
    }
    state more {
        verify(stack.last.tag != 0, error.NoMatch);
        transition accept;
    }
}

parser FromWire(packet_in packet, out Headers headers, in Port_t port) {
    Tags(0xff) tags;
    value_set<bit<8>>(4) known;
    state start {
        tags.apply(packet, headers.stack);
        Generic<bit<16>> ahead = packet.lookahead<Generic<bit<16>>>();
        transition select(ahead.value[15:8], (bit<9>) port) {
            (known, _): sized;
            default: union;
        }
    }
    state sized {
        packet.extract(headers.sized, (bit<32>) packet.lookahead<bit<8>>() << 3);
        packet.advance(8);
        transition accept;
    }
    state union {
        packet.extract(headers.either.next.left);
        packet.extract<Stacked>(_);
        transition accept;
    }
}

control Inside(inout Inner_t inner)(bit<8> add) {
    apply { inner.low = inner.low |+| add; }
}

control Work(inout Headers headers, in Port_t port) {
    Cell<bit<8>>(7) cell = {
        bit<8> change(in bit<8> old) { return this.get() + old; }
    };
    Plain<bit<8>>(16) plain[2];
    Inside(3) inside;
    bit<8> buffer[4];
    tuple<bit<8>, bool> both = { 1, true };
    Pair<bit<8>, Color> pair = { second = Color.blue, first = 2 };

    action nothing() {}
    action set(in bit<8> low, bit<8> high) {
        headers.inner = { low, high };
        exit;
    }

    table choice {
        key = {
            headers.inner.low: ternary;
            headers.generic.isValid(): exact;
            headers.sized.size & 0xf0: lpm @name("half");
        }
        actions = { nothing; set(buffer[0]); @defaultonly NoAction; }
        default_action = NoAction;
        const entries = {
            (0x10 &&& 0xf0, true, _): set(buffer[0], 4);
            (_, false, 0x80 &&& 0x80): nothing();
        }
        size = 16;
    }

    apply {
        inside.apply(headers.inner);
        Nothing<Headers>.apply(headers, port);
        switch (choice.apply().action_run) {
            nothing:
            set: { buffer[1] = plain[0].take(3); }
            default: { nothing(); }
        }
        switch (headers.inner.low) {
            1: 3: { buffer[2] = 5; }
            4: {}
            default: { return; }
        }
        if (!choice.apply().hit && both[1]) {
            send({ pair.first, buffer[2], Kind.some });
            send(data = headers.inner, port = (Port_t) 3);
        }
        headers.stack.push_front(1);
        headers.generic = { value = digest_of(headers.inner), ... };
        headers.sized = (Sized) {#};
        buffer[3][7:4] = 3;
        buffer[3][headers.inner.low +: 2] = 1;
        int<8> negative = -8s3;
        headers.inner.low = larger(left = 8w1, right = headers.inner.high, first = negative < 0)
            ++ (bit<4>) sum_of(3) == 12w5 ? 8w1 : EIGHT_WIDE;
        cell.set(headers.inner.low);
        headers.inner.high += (bit<8>) (bit<1>) IS_ONE + (bit<8>) headers.inner.minSizeInBytes();
    }
}

Machine(FromWire(), Work()) main;
