"""The two models: the generator that proposes slates, the evaluator that imitates the user."""
