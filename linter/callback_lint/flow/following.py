"""Follows values through functions, statements and expressions."""

import ast
from collections.abc import Iterable, Sequence

from callback_lint.code import Module
from callback_lint.flow.known import Holds
from callback_lint.flow.names import PASSING, PICKING, UNCHANGED, is_token_name
from callback_lint.flow.sinks import Leak, Scope, Sinks
from callback_lint.flow.syntax import captured, last, parameters_of, writes_file

_MOST_CALLS = 8  # within one another
_MOST_STEPS = 40_000  # of one function's analysis: generated code may be endless


class Flow(Sinks):
    def __init__(self, modules: Sequence[Module], handler: str, token_keys: frozenset[str]) -> None:
        super().__init__(modules, handler, token_keys)
        self._depth = self._count = 0
        self._globals: dict[int, dict[str, Holds]] = {}
        self._attributes: dict[str, Holds] = {}
        self._active: list[ast.AST] = []
        self._followed: dict[tuple[int, tuple[Holds, ...]], Holds] = {}

    def leaks(self) -> list[Leak]:
        for module in self.modules:
            scope = Scope(module, {})
            self._globals[id(module)] = scope.names
            self._body(
                [node for node in module.tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)], scope
            )
        entries = [(module, function) for name in self._functions for module, function in self._functions[name]]
        entries.sort(key=lambda entry: not self._is_handler(*entry))
        for module, function in entries:
            self._count = 0
            self._steps.clear()
            first = next(iter(parameters_of(function)), None)
            given = {first: Holds.EVENT} if first and self._is_handler(module, function) else {}
            self._follow(module, function, given)
            self._late_stores()
        return list(self.found.values())

    # ------------------------------------------------------------------ functions

    def _follow(
        self, module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, given: dict[str, Holds]
    ) -> Holds:
        if function in self._active or self._depth >= _MOST_CALLS or self._count > _MOST_STEPS:
            return Holds.NOTHING
        names = {name: given.get(name, self._by_name(name)) for name in parameters_of(function)}
        key = (id(function), tuple(names.values()))
        if key in self._followed:
            return self._followed[key]
        scope = Scope(module, names)
        self._depth += 1
        self._active.append(function)
        self._body(function.body, scope)
        self._active.pop()
        self._depth -= 1
        self._followed[key] = max(scope.returned, scope.yields)
        return self._followed[key]

    # ------------------------------------------------------------------ statements

    def _body(self, statements: Iterable[ast.stmt], scope: Scope) -> None:
        for statement in statements:
            self._count += 1
            if self._count <= _MOST_STEPS:
                self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: Scope) -> None:  # noqa: C901 - a case for each kind of code
        match node:
            case ast.Assign(targets=targets, value=value):
                held = self._value(value, scope)
                for target in targets:
                    self._assign(target, value, held, scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, value, self._value(value, scope), scope)
            case ast.AugAssign(target=target, value=value):
                held = max(self._value(value, scope), self._value(target, scope))
                if isinstance(target, ast.Name):
                    scope.names[target.id] = held
            case ast.For() | ast.AsyncFor():
                self._loop(node, scope)
            case ast.While(test=test, body=body, orelse=orelse):
                self._value(test, scope)
                self._repeat(body, scope)
                self._body(orelse, scope)
            case ast.If(test=test, body=body, orelse=orelse):
                self._value(test, scope)
                self._either([body, orelse], node, scope)
            case ast.Match(subject=subject, cases=cases):
                held = self._value(subject, scope)
                for case in cases:
                    scope.names.update({name: self._part(name, held) for name in captured(case.pattern)})
                self._either([case.body for case in cases], node, scope)
            case ast.Try() | ast.TryStar():
                self._body(node.body, scope)
                self._either([handler.body for handler in node.handlers] + [node.orelse], node, scope)
                self._body(node.finalbody, scope)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    held = self._value(item.context_expr, scope)
                    if isinstance(item.optional_vars, ast.Name):
                        scope.names[item.optional_vars.id] = held
                        if writes_file(item.context_expr):
                            self._files.add(item.optional_vars.id)
                self._body(node.body, scope)
            case ast.Return(value=value):
                scope.returned = max(scope.returned, self._value(value, scope))
            case ast.Delete(targets=targets):
                for target in targets:
                    match target:
                        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=key)) if self._is_key(key):
                            scope.names[name] = Holds.NOTHING
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pass  # followed by itself, and where it is called
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._value(child, scope)

    def _loop(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        held = self._value(node.iter, scope)
        self._assign_each(node.target, node.iter, held, scope)
        self._repeat(node.body, scope)
        self._body(node.orelse, scope)

    def _repeat(self, body: list[ast.stmt], scope: Scope) -> None:
        """Twice, since a later statement may be the earlier one of the next round; its steps count once."""
        self._body(body, scope)
        recording, self._recording = self._recording, False
        self._body(body, scope)
        self._recording = recording

    def _either(self, bodies: list[list[ast.stmt]], node: ast.AST, scope: Scope) -> None:
        before, after = dict(scope.names), dict(scope.names)
        ends: list[dict[str, Holds]] = []
        for number, body in enumerate(bodies):
            scope.names.clear()
            scope.names.update(before)
            first = len(self._steps)
            self._branches.append((id(node), number))
            self._body(body, scope)
            self._branches.pop()
            if body and isinstance(body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break):
                for step in self._steps[first:]:
                    step.until = min(step.until, len(self._steps))
            else:
                ends.append(dict(scope.names))
        if len(bodies) == 1 or not ends:
            ends.append(after)
        scope.names.clear()
        for end in ends:
            for name, held in end.items():
                scope.names[name] = max(held, scope.names.get(name, Holds.NOTHING))

    def _assign_each(self, target: ast.expr, source: ast.expr, held: Holds, scope: Scope) -> None:
        """An item of what is looped over. The first part of an item of a dictionary is its key, which is no secret."""
        shape = self._shape(source, scope)
        if not shape and isinstance(source, ast.Call) and last(source.func) in {"items", "enumerate"}:
            shape = (Holds.NOTHING, held)
        if shape and isinstance(target, ast.Tuple) and len(target.elts) == len(shape):
            for part, each in zip(target.elts, shape, strict=True):
                self._assign(part, None, each, scope)
        else:
            self._assign(target, None, held, scope)

    def _shape(self, node: ast.expr | None, scope: Scope) -> tuple[Holds, ...] | None:
        match node:
            case ast.Name(id=name):
                return scope.shapes.get(name)
            case ast.Tuple(elts=parts):
                return tuple(self._value(part, scope) for part in parts)
            case ast.ListComp(elt=ast.Tuple(elts=parts)) | ast.GeneratorExp(elt=ast.Tuple(elts=parts)):
                inner = Scope(scope.module, dict(scope.names), scope.shapes)
                for generator in node.generators:
                    self._assign_each(generator.target, generator.iter, self._value(generator.iter, inner), inner)
                return tuple(self._value(part, inner) for part in parts)
        return None

    def _assign(self, target: ast.expr, value: ast.expr | None, held: Holds, scope: Scope) -> None:  # noqa: C901 - a case for each kind of code
        match target:
            case ast.Name(id=name):
                if value is not None and not held and self._is_unknown_token(name, value):
                    held = Holds.TOKEN
                if value is not None and writes_file(value):
                    self._files.add(name)
                if not isinstance(value, ast.Lambda):  # which is a function
                    scope.names[name] = held
                shape = self._shape(value, scope)
                if shape:
                    scope.shapes[name] = shape
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
                shape = self._shape(value, scope)
                for number, part in enumerate(parts):
                    own = values[number] if len(values) == len(parts) else None
                    each = shape[number] if shape and len(shape) == len(parts) else held
                    self._assign(part, own, each, scope)
            case ast.Starred(value=inner):
                self._assign(inner, None, held, scope)
            case ast.Attribute(attr=name):
                self._attributes[name] = max(held, self._attributes.get(name, Holds.NOTHING))
            case ast.Subscript(value=ast.Name(id=name), slice=key):
                if isinstance(key, ast.Constant) and self._is_key(key.value) and not held:
                    scope.names[name] = Holds.NOTHING  # the token is replaced
                else:
                    scope.names[name] = max(held, scope.names.get(name, Holds.NOTHING))

    def _is_unknown_token(self, name: str, value: ast.expr) -> bool:
        """What nobody can follow, under a name that says what it is."""
        return isinstance(value, ast.Call) and is_token_name(name, alone=False) and last(value.func) not in PASSING

    # ------------------------------------------------------------------ values

    def _value(self, node: ast.AST | None, scope: Scope) -> Holds:  # noqa: C901 - a case for each kind of code
        match node:
            case ast.Name(id=name):
                if name in scope.names:
                    return scope.names[name]
                known = self._globals.get(id(scope.module), {})
                return known[name] if name in known else self._by_name(name)
            case ast.Attribute(value=of, attr=name):
                held = self._value(of, scope)
                if isinstance(of, ast.Name) and of.id in {"self", "cls"} and name in self._attributes:
                    return self._attributes[name]
                return self._part(name, held)
            case ast.Subscript(value=of, slice=key):
                held = self._value(of, scope)
                self._value(key, scope)
                match key:
                    case ast.Constant(value=str(name)):
                        return self._part(name, held)
                    case ast.Slice(upper=ast.Constant(value=int())) if not isinstance(of, ast.Attribute):
                        return held if self._is_list(of) else Holds.NOTHING  # the beginning of a token is none
                return held
            case ast.Call():
                return self._call(node, scope)
            case ast.Dict(keys=keys, values=values):
                return self._dict(keys, values, scope)
            case ast.NamedExpr(target=target, value=value):
                held = self._value(value, scope)
                self._assign(target, value, held, scope)
                return held
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, scope)
            case ast.Await(value=value) | ast.Starred(value=value):
                return self._value(value, scope)
            case ast.Yield(value=value) | ast.YieldFrom(value=value):
                scope.yields = max(scope.yields, self._value(value, scope))
                return Holds.NOTHING
            case ast.JoinedStr() | ast.BinOp():
                self._link(node, scope)
                return self._most(ast.iter_child_nodes(node), scope)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self._value(test, scope)
                return self._most([body, orelse], scope)
            case ast.Compare() | ast.UnaryOp():
                self._most(ast.iter_child_nodes(node), scope)
                return Holds.NOTHING
            case _ if isinstance(node, UNCHANGED):
                return self._most(ast.iter_child_nodes(node), scope)
        return Holds.NOTHING

    def _most(self, nodes: Iterable[ast.AST], scope: Scope) -> Holds:
        return max([self._value(node, scope) for node in nodes], default=Holds.NOTHING)

    @staticmethod
    def _is_list(node: ast.expr) -> bool:
        return isinstance(node, ast.Subscript) or (isinstance(node, ast.Name) and node.id.lower().endswith("s"))

    def _dict(self, keys: list[ast.expr | None], values: list[ast.expr], scope: Scope) -> Holds:
        unpacked = plain = Holds.NOTHING
        is_replaced = False
        for key, value in zip(keys, values, strict=True):
            held = self._value(value, scope)
            name = key.value if isinstance(key, ast.Constant) else None
            if key is None:
                unpacked = max(unpacked, held)
            else:
                plain = max(plain, held)
                is_replaced = is_replaced or (self._is_key(name) and not held)
            if isinstance(name, str) and name.lower() == "headers" and self._is_certain(held):
                self._report("header", value, "a header", held, scope)
        return max(plain, Holds.NOTHING if is_replaced else unpacked)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: Scope) -> Holds:
        inner = Scope(scope.module, dict(scope.names))
        leaves_out = False
        for generator in node.generators:
            held = self._value(generator.iter, inner)
            self._assign_each(generator.target, generator.iter, held, inner)
            texts = [each.value for test in generator.ifs for each in ast.walk(test) if isinstance(each, ast.Constant)]
            leaves_out = leaves_out or any(self._is_key(text) for text in texts)
            self._most(generator.ifs, inner)
        made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        held = self._most(made, inner)
        return Holds.NOTHING if leaves_out else held

    # ------------------------------------------------------------------ calls

    def _call(self, node: ast.Call, scope: Scope) -> Holds:
        name = last(node.func)
        of = self._value(node.func.value, scope) if isinstance(node.func, ast.Attribute) else Holds.NOTHING
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        held = [self._value(argument, scope) for argument in arguments]
        most = max(held, default=Holds.NOTHING)
        self._sinks(node, name, held, scope)
        self._record(node, name, most, scope)
        if name in PICKING and node.args and isinstance(node.args[0], ast.Constant):
            if name == "pop" and self._is_key(node.args[0].value):
                match node.func:
                    case ast.Attribute(value=ast.Name(id=holder)):
                        scope.names[holder] = Holds.NOTHING
            return self._part(str(node.args[0].value), of)
        called = self._called(node, name, held, scope)
        if called is not None:
            return called
        if name in PASSING or (name[:1].isupper() and not name.isupper()) or name in self._classes:
            return max(of, most)
        return Holds.NOTHING

    def _called(self, node: ast.Call, name: str, held: list[Holds], scope: Scope) -> Holds | None:
        """What a function of the same code returns; one that is handed over gets what else is."""
        most = max(held, default=Holds.NOTHING)
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(argument, ast.Lambda) and most:
                inner = dict.fromkeys((each.arg for each in argument.args.args), most)
                self._value(argument.body, Scope(scope.module, {**scope.names, **inner}))
            is_function = isinstance(argument, ast.Name) and argument.id not in scope.names
            if is_function and most:
                for module, function in self._functions.get(last(argument), ()):
                    first = next((each for each in parameters_of(function) if each != "self"), None)
                    self._follow(module, function, {first: most} if first else {})
        makers = self._classes.get(name, [])
        own = self._named(node.func, name, scope) or makers
        if not own:
            return None
        result = Holds.NOTHING
        for module, function in own:
            parameters = parameters_of(function)
            if parameters[:1] in (["self"], ["cls"]) and (makers or isinstance(node.func, ast.Attribute)):
                parameters = parameters[1:]
            given = dict(zip(parameters, held[: len(node.args)], strict=False))
            given |= {
                keyword.arg: value
                for keyword, value in zip(node.keywords, held[len(node.args) :], strict=True)
                if keyword.arg
            }
            result = max(result, self._follow(module, function, {**dict.fromkeys(parameters, Holds.NOTHING), **given}))
        return max(result, most) if makers else result

    def _named(
        self, func: ast.expr, name: str, scope: Scope
    ) -> list[tuple[Module, ast.FunctionDef | ast.AsyncFunctionDef]]:
        """The functions of the same code that a call may be of."""
        found = self._functions.get(name, [])
        here = [each for each in found if each[0] is scope.module]
        match func:
            case ast.Name():
                imported = name in self._imported[id(scope.module)]
                return [] if name in scope.names else here or (found if imported else [])
            case ast.Attribute(value=ast.Name(id="self" | "cls") | ast.Attribute(value=ast.Name(id="self"))):
                return here or found
            case ast.Attribute(value=ast.Name(id=of)):
                beside = [each for each in found if of in {each[0].path.stem, each[0].path.parent.name}]
                return beside or (found if of in self._classes or of in self._objects else [])
            case ast.Attribute(value=ast.Call(func=made)) if last(made) in self._classes:
                return found
        return []
