// SPDX-License-Identifier: Apache-2.0
// The frame of a shared library that holds one model of a user's: what fastsnn/lowering/build.py
// prints includes this, defines the model and returns hand_over<Model>().
#pragma once

#include "dense.h"

#define FASTSNN_TEXT(x) #x
#define FASTSNN_NAME(x) FASTSNN_TEXT(x)

namespace fastsnn::inline FASTSNN_ISA {

template <class Model> const UserModel *hand_over() {
  if constexpr (requires { Model::n_term; }) {
    static const RuleSkeleton<Model> rule;
    static const UserModel model = {kernel_abi, FASTSNN_NAME(FASTSNN_ISA), nullptr, &rule};
    return &model;
  } else {
    static const PopulationSkeleton<Model> population;
    static const UserModel model = {kernel_abi, FASTSNN_NAME(FASTSNN_ISA), &population, nullptr};
    return &model;
  }
}

} // namespace fastsnn::inline FASTSNN_ISA
