// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <v1model.p4>
struct a { bit<8> }
const bit<8> X = 8w;
control C() {
    action broken( { }
    apply { if x { } y = ; z = 1 }
}
#endif
#include "missing.p4"
