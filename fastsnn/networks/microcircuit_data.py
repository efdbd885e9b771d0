# SPDX-License-Identifier: Apache-2.0
"""Numbers of the cortical microcircuit of Potjans & Diesmann 2014, under one square millimetre.

Tables are by target (rows) and source (columns), in the order of POPULATIONS.
Sources: Potjans, Diesmann, Cerebral Cortex 24:785, 2014, tables 4 and 5; the reference
implementation's optimised initial potentials and full-scale rates (PyNEST, Poisson drive); CV,
correlation and spreads computed from 10 s recordings of Knight, Nowotny, Frontiers in Neuroscience
12:941, 2018.
"""

from __future__ import annotations

POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
N = (20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948)

P_CONNECTION = (
    (0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0),
    (0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0),
    (0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0),
    (0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0),
    (0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0),
    (0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0),
    (0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252),
    (0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443),
)

K_EXT = (1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100)  # background inputs of a neuron
RATE_EXT = 8.0  # Hz, of each

PSP, G, W_SD = 0.15, -4.0, 0.1  # mV; inhibitory over excitatory weight; sd over mean
PSP_L4E_L23E = 0.3  # mV
DELAY_E, DELAY_I, DELAY_SD = 1.5, 0.75, 0.5  # ms; sd over mean
C_M, TAU_M, TAU_SYN = 250.0, 10.0, 0.5  # pF, ms, ms
E_L, V_RESET, V_THRESH, T_REFRAC = -65.0, -65.0, -50.0, 2.0  # mV, ms

V0_MEAN = (-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43)  # mV
V0_SD = (5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48)

RATES = (0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829)  # Hz
RATE_SD = (0.90, 2.03, None, 3.69, 4.75, 4.92, 1.32, 4.63)
# from 1 s to 10 s; L4E was not recorded
CV = (0.763, 0.850, None, 0.836, 0.815, 0.786, 0.772, 0.790)
CORRELATION = (0.0025, 0.0017, None, 0.0014, 0.0046, 0.0012, 0.0007, 0.0004)
