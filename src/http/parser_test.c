// SPDX-License-Identifier: Apache-2.0
#include "testing/test.h"
