"""The laboratory of the chapter on training techniques ("Deep Learning from Scratch", chapter 6):
ten experiments.

    python -m examples.chapter6 list
    python -m examples.chapter6 NAME... [--data digits|mnist] [--seed N] [--out DIR] [--quick]
    python -m examples.chapter6 all

An experiment is a module of this package with

* TITLE, SECTION, QUESTION, LOOK: texts for the page; CODE: the functions whose source the page shows;
* run(lab): compute, and return everything worth keeping as plain numbers, lists and dicts (they become JSON);
* draw(numbers): the figures, from those numbers alone: (caption, Figure or HTML) pairs;
* tables(numbers): our numbers beside the reference numbers;
* checks(numbers): (statement with its numbers, whether it holds) for the chapter's claims.

`training` has the network and the loop they share, `plots` the colours, `page` the HTML.
"""
